"""Settings come from the environment, have embedded defaults, and say what to mend."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from features.errors import SettingsError
from features.settings import Settings, load_settings

SECRET = "s" * 32


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests counts."""
    for name in list(os.environ):
        if name.startswith("HOMING_"):
            monkeypatch.delenv(name)


def test_everything_has_an_embedded_default() -> None:
    settings = Settings()
    assert settings.resolved_store_url() == "sqlite:///var/profiles.db"
    assert settings.resolved_log_url() == "sqlite:///var/events.db"
    assert settings.resolved_lake_path() == "var/lake"
    assert settings.resolved_tracking_url() == f"sqlite:///{Path('var').resolve()}/mlflow.db"


def test_home_moves_everything_that_is_embedded() -> None:
    settings = Settings(home=Path("/data"))
    assert settings.resolved_store_url() == "sqlite:////data/profiles.db"
    assert settings.resolved_log_url() == "sqlite:////data/events.db"
    assert settings.resolved_lake_path() == "/data/lake"
    assert settings.resolved_keys_file() == Path("/data/keys.json")
    assert settings.resolved_tracking_url() == "sqlite:////data/mlflow.db"


def test_the_environment_says_where_things_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMING_STORE_URL", "redis://host")
    monkeypatch.setenv("HOMING_LOG_URL", "memory://")
    monkeypatch.setenv("HOMING_LAKE_PATH", "/lake")
    monkeypatch.setenv("HOMING_TRACKING_URL", "http://mlflow")
    monkeypatch.setenv("HOMING_KEYS_FILE", "/mounted/keys.json")
    settings = Settings()
    assert settings.resolved_keys_file() == Path("/mounted/keys.json")
    assert settings.resolved_store_url() == "redis://host"
    assert settings.resolved_log_url() == "memory://"
    assert settings.resolved_lake_path() == "/lake"
    assert settings.resolved_tracking_url() == "http://mlflow"


def test_settings_do_not_change() -> None:
    settings = Settings()
    with pytest.raises(ValidationError, match="frozen"):
        settings.home = Path("/elsewhere")  # type: ignore[misc]  # which is the point


def test_the_secret_makes_keys_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMING_SECRET", SECRET)
    settings = Settings()
    assert settings.customer_keys().resolve("ada").startswith("ck_")
    assert SECRET not in repr(settings) + str(settings) + str(settings.model_dump())


def test_a_secret_in_a_file_makes_the_same_keys(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    in_file = Settings(secret_file=file).customer_keys()
    in_variable = load_settings(Settings, secret=SECRET).customer_keys()
    assert in_file.resolve("ada") == in_variable.resolve("ada")


def test_without_a_secret_nothing_is_keyed() -> None:
    with pytest.raises(SettingsError, match=r"HOMING_SECRET is not set.*openssl rand -hex 32"):
        Settings().customer_keys()


def test_a_short_secret_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOMING_SECRET", "short")
    with pytest.raises(SettingsError, match="has 5 bytes and needs at least 32"):
        Settings().customer_keys()


def test_a_secret_file_that_is_missing_is_named(tmp_path: Path) -> None:
    file = tmp_path / "none"
    with pytest.raises(SettingsError, match=rf"HOMING_SECRET_FILE {file} can't be read: No such"):
        Settings(secret_file=file).customer_keys()


def test_a_value_that_cannot_be_used_names_its_variable() -> None:
    with pytest.raises(SettingsError, match=r"^HOMING_HOME can't be used: .*; mend it"):
        load_settings(Settings, home=7)
