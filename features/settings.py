"""Settings that every process shares: environment variables `HOMING_…`, with embedded defaults."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from features.errors import SettingsError
from features.identity import CustomerKeys
from features.logs import Level

Some = TypeVar("Some", bound="Settings")


class Settings(BaseSettings):
    """Where things are kept and the secret that makes customer keys.

    Attributes:
        home: Folder of everything embedded.
        secret: Makes customer keys; at least 32 bytes. `HOMING_SECRET`.
        secret_file: A mounted file that holds the secret instead.
        store_url: Profiles, catalogue and pins; `sqlite:///PATH`, `redis://…`, `memory://`.
        log_url: The event log; `sqlite:///PATH`, `redis://…`, `amqp://…`, `kafka://…`, or `none://`
            to take no events in.
        log_max_depth: From how many waiting events on more are refused.
        lake_path: Folder of the Delta tables.
        lake_small_files: From how many small files of a day on the ingest loop joins them; with 0
            it leaves the lake to `homing compact`.
        lake_keep_days: How many days of the lake's versions stay readable.
        tracking_url: MLflow's tracking and registry.
        blocks_file: The TOML file that configures blocks; the built-in blocks without one.
        keys_file: The API keys, hashed; `keys.json` in `home` without one.
        public_url: Where senders of webhooks reach `/v1`, as they were told: some sign it.
        webhooks_folder: Folder of TOML files, one for each sender that no built-in source knows.
        segment_item: Which field of a tracked product is the catalogue's id.
        ingest_host: Address on which the ingest loop answers `/metrics`.
        ingest_port: Port on which it does; 0 for none.
        log_level: Of the JSON logs: debug, info, warning, error or critical.
    """

    model_config = SettingsConfigDict(env_prefix="HOMING_", frozen=True, extra="ignore")

    home: Path = Path("var")
    secret: SecretStr | None = Field(default=None, repr=False)
    secret_file: Path | None = None
    store_url: str = ""
    log_url: str = ""
    log_max_depth: int = Field(default=1_000_000, ge=1)
    lake_path: str = ""
    lake_small_files: int = Field(default=32, ge=0, le=10_000)
    lake_keep_days: int = Field(default=7, ge=1, le=36_500)
    tracking_url: str = ""
    blocks_file: Path | None = None
    keys_file: Path | None = None
    public_url: str = ""
    webhooks_folder: Path | None = None
    segment_item: Literal["product_id", "sku"] = "product_id"
    ingest_host: str = "127.0.0.1"
    ingest_port: int = Field(default=0, ge=0, le=65_535)
    log_level: Level = "info"

    def resolved_store_url(self) -> str:
        """`store_url`, or the SQLite file in `home`."""
        return self.store_url or f"sqlite:///{self.home / 'profiles.db'}"

    def resolved_log_url(self) -> str:
        """`log_url`, or the SQLite file in `home`."""
        return self.log_url or f"sqlite:///{self.home / 'events.db'}"

    def resolved_lake_path(self) -> str:
        """`lake_path`, or the folder in `home`."""
        return self.lake_path or str(self.home / "lake")

    def resolved_tracking_url(self) -> str:
        """`tracking_url`, or MLflow on SQLite in `home`."""
        return self.tracking_url or f"sqlite:///{(self.home / 'mlflow.db').resolve()}"

    def resolved_keys_file(self) -> Path:
        """`keys_file`, or the file in `home`."""
        return self.keys_file or self.home / "keys.json"

    def customer_keys(self) -> CustomerKeys:
        """What turns outside ids into customer keys.

        Raises:
            SettingsError: No secret is set, its file can't be read, or it is too short.
        """
        if self.secret is not None:
            return CustomerKeys(self.secret.get_secret_value().encode())
        if self.secret_file is not None:
            try:
                return CustomerKeys(self.secret_file.read_bytes().strip())
            except OSError as error:
                message = f"HOMING_SECRET_FILE {self.secret_file} can't be read: {error.strerror}"
                raise SettingsError(message) from error
        message = (
            "HOMING_SECRET is not set: make one with `openssl rand -hex 32`, keep it, "
            "and set it or HOMING_SECRET_FILE for every process of this shop"
        )
        raise SettingsError(message)


def load_settings(kind: type[Some], **overrides: Any) -> Some:  # noqa: ANN401 - pydantic checks them
    """Settings from the environment.

    Args:
        kind: `Settings` or what a room adds to it.
        overrides: Take precedence over the environment.

    Raises:
        SettingsError: A value can't be used; the message names the variable and the cure.
    """
    try:
        return kind(**overrides)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        name = "HOMING_" + "_".join(str(part) for part in first["loc"]).upper()
        message = f"{name} can't be used: {first['msg']}; mend it or leave it unset"
        raise SettingsError(message) from error
