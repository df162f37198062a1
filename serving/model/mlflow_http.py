"""MLflow's registry over HTTP, by the few calls of its REST API that tell who serves.

MLflow's own client takes more than a second to import, and what puts a champion back must not wait
for that. Whatever needs more than these calls, or another way to the server than `reaches` knows,
goes through MLflow's library.

REST API: https://mlflow.org/docs/latest/api_reference/rest-api.html
"""

from __future__ import annotations

import os
import ssl
from importlib.metadata import entry_points
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import httpx
import msgspec

from features.errors import UNDECODABLE, SettingsError
from serving.model.versions import Version, newest_first, unanswered, unknown

API: Final = "/api/2.0/mlflow/"
PAGE: Final = 1_000
"""Versions that are asked for at once."""
TIMEOUT: Final = 10
"""Seconds to wait for one answer, unless `MLFLOW_HTTP_REQUEST_TIMEOUT` says otherwise."""
MISSING: Final = "RESOURCE_DOES_NOT_EXIST"

WAYS: Final = (
    "MLFLOW_TRACKING_AUTH",
    "MLFLOW_TRACKING_AWS_SIGV4",
    "MLFLOW_TRACKING_CLIENT_CERT_PATH",
    "MLFLOW_TRACKING_INSECURE_TLS",
    "MLFLOW_WORKSPACE",
    "NETRC",
)
"""Environment that tells MLflow's library of ways to a server which are not known here."""
FILES: Final = ("~/.mlflow/credentials", "~/.netrc", "~/_netrc")
"""Where it looks for passwords."""
PLUGINS: Final = "mlflow.request_header_provider"
"""What may add headers to its requests."""
CERTIFICATES: Final = (
    "MLFLOW_TRACKING_SERVER_CERT_PATH",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
"""Where, for it and for us, certificates are named that are trusted in place of the usual ones."""

Some = TypeVar("Some")


class _Pair(msgspec.Struct):
    key: str
    value: str = ""


_Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9]{1,18}\Z")]


class _Version(msgspec.Struct):
    version: _Number
    creation_timestamp: int = 0
    run_id: str = ""
    tags: list[_Pair] = []
    aliases: list[str] = []

    def told(self) -> Version:
        tags = {tag.key: tag.value for tag in self.tags}
        return Version(
            self.version, self.creation_timestamp, self.run_id, tags, tuple(self.aliases)
        )


class _Alias(msgspec.Struct):
    alias: str
    version: _Number


class _Model(msgspec.Struct):
    aliases: list[_Alias] = []


class _OfModel(msgspec.Struct):
    registered_model: _Model


class _OfVersion(msgspec.Struct):
    model_version: _Version


class _Page(msgspec.Struct):
    model_versions: list[_Version] = []
    next_page_token: str = ""


_Done = dict[str, Any]
"""What says no more than that it was done."""


class _Fault(msgspec.Struct):
    error_code: str = ""
    message: str = ""


def reaches(url: str) -> bool:
    """Whether a registry can be asked in this way: plain HTTP, with a password or token at most."""
    return (
        url.startswith(("http://", "https://"))
        and not any(os.environ.get(name) for name in WAYS)
        and not any(map(_there, FILES))
        and not entry_points(group=PLUGINS)
    )


def _there(name: str) -> bool:
    """Whether a file is there that one can get at; a user may have no home, or not its own."""
    try:
        return Path(name).expanduser().exists()
    except (OSError, RuntimeError):
        return False


class HttpVersions:
    """The versions of an MLflow server.

    Args:
        url: Of the server. Who asks stands in it or else, as MLflow's library has it, in
                `MLFLOW_TRACKING_USERNAME` and `_PASSWORD` or `MLFLOW_TRACKING_TOKEN`.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: httpx.Client | None = None

    def alias(self, model: str, alias: str) -> str | None:
        """Number of the version that an alias names; None while there is none, or no such model.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        found = self._ask(_OfModel, "GET", "registered-models/get", name=model)
        aliases = found.registered_model.aliases if found else ()
        return next((one.version for one in aliases if one.alias == alias), None)

    def version(self, model: str, number: str) -> Version:
        """One version.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has no such version.
        """
        found = self._ask(_OfVersion, "GET", "model-versions/get", name=model, version=number)
        if found is None:
            raise unknown(self._url, model, number)
        return found.model_version.told()

    def versions(self, model: str) -> list[Version]:
        """Every version of a model, the newest first; none while there is no such model.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        found: list[Version] = []
        asked = {"filter": f"name = '{model}'", "max_results": str(PAGE)}
        token: str | None = ""
        while token is not None:
            more = {"page_token": token} if token else {}
            page = self._ask(_Page, "GET", "model-versions/search", **asked, **more) or _Page()
            found += [version.told() for version in page.model_versions]
            token = page.next_page_token or None
        return newest_first(found)

    def set_tag(self, model: str, number: str, name: str, text: str) -> None:
        """Give a version a tag, in place of one of that name.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has no such version.
        """
        words = {"name": model, "version": number, "key": name, "value": text}
        if self._ask(_Done, "POST", "model-versions/set-tag", **words) is None:
            raise unknown(self._url, model, number)

    def set_alias(self, model: str, alias: str, number: str) -> None:
        """Let an alias name this version from now on.

        Raises:
            RegistryUnavailable: MLflow does not answer, or has no such version.
        """
        words = {"name": model, "alias": alias, "version": number}
        if self._ask(_Done, "POST", "registered-models/alias", **words) is None:
            raise unknown(self._url, model, number)

    def drop_alias(self, model: str, alias: str) -> None:
        """Let an alias name no version any more.

        Raises:
            RegistryUnavailable: MLflow does not answer.
        """
        self._ask(_Done, "DELETE", "registered-models/alias", name=model, alias=alias)

    def _ask(self, kind: type[Some], method: str, path: str, **words: str) -> Some | None:
        """MLflow's answer to one call; None where it has no such model or version."""
        given = {"params": words} if method == "GET" else {"json": words}
        try:
            if self._made is None:
                self._made = _open(self._url)
            answer = self._made.request(method, path, **given)  # type: ignore[arg-type]
            if answer.is_success:
                return msgspec.json.decode(answer.content, type=kind, strict=False)
            fault = _fault(answer)
        except httpx.InvalidURL as error:
            # It would tell what it takes for the port, which may be half of a password.
            says = "not a URL; a password's / # ? and @ are written %2F %23 %3F and %40"
            raise unanswered(self._url, says) from error
        # A file of certificates that is not there; and names that are no host's raise UnicodeError,
        # a ValueError as msgspec's own are.
        except (httpx.HTTPError, OSError, ValueError) as error:
            raise unanswered(self._url, error) from error
        if fault.error_code == MISSING:
            return None
        says = f"{answer.status_code} {fault.message or answer.reason_phrase}"
        raise unanswered(self._url, says)


def _open(url: str) -> httpx.Client:
    """What asks a server, with what the environment says of who asks and how long to wait."""
    name, password, token = (
        os.environ.get(f"MLFLOW_TRACKING_{what}", "") for what in ("USERNAME", "PASSWORD", "TOKEN")
    )
    server = httpx.URL(url.rstrip("/") + API)
    basic = (name, password) if name and password else None
    if server.userinfo:
        basic = (server.username, server.password)
    return httpx.Client(
        # Without who asks: httpx logs the address of every request.
        base_url=server.copy_with(userinfo=b""),
        auth=basic,
        headers={"authorization": f"Bearer {token}"} if token and not basic else None,
        timeout=_patience(),
        verify=_trusted() if url.startswith("https:") else False,  # it takes a while to read them
        # Who asks every few seconds holds no connection meanwhile.
        limits=httpx.Limits(max_keepalive_connections=0),
    )


def _patience() -> float:
    """Seconds to wait for one answer."""
    text = os.environ.get("MLFLOW_HTTP_REQUEST_TIMEOUT", str(TIMEOUT))
    if not text.isdecimal() or not int(text):
        message = f"MLFLOW_HTTP_REQUEST_TIMEOUT {text!r}: give whole seconds, like 10"
        raise SettingsError(message)
    return float(text)


def _trusted() -> ssl.SSLContext | bool:
    """Certificates of a file or a folder, or True for the usual ones."""
    place = next((path for name in CERTIFICATES if (path := os.environ.get(name))), None)
    if place is None:
        return True
    if Path(place).is_dir():
        return ssl.create_default_context(capath=place)
    return ssl.create_default_context(cafile=place)


def _fault(answer: httpx.Response) -> _Fault:
    """What MLflow says of a call that failed; nothing where something else answered."""
    try:
        return msgspec.json.decode(answer.content, type=_Fault)
    except UNDECODABLE:
        return _Fault()
