"""How a server is reached without MLflow's library, and what it may answer."""

from __future__ import annotations

import base64
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import certifi
import pytest

from features.errors import RegistryUnavailable, SettingsError
from serving.model import mlflow_http
from serving.model.mlflow_http import CERTIFICATES, WAYS, HttpVersions, reaches

NOBODY = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def plain_surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No settings of MLflow's; the home folder."""
    for name in (*WAYS, *CERTIFICATES):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@dataclass
class Wall:
    """A server that answers whatever it is told to, and remembers who asked.

    Attributes:
        status: Of every answer.
        body: Of every answer.
        asked: The `Authorization` of each request, "" without one.
    """

    status: int = 200
    body: bytes = b"{}"
    asked: list[str] = field(default_factory=list)
    address: str = ""


@pytest.fixture
def wall() -> Iterator[Wall]:
    made = Wall()

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.asked.append(self.headers.get("Authorization", ""))
            self.send_response(made.status)
            self.send_header("Content-Length", str(len(made.body)))
            self.end_headers()
            self.wfile.write(made.body)

        def log_message(self, *_: object) -> None:
            """Nothing."""

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    made.address = f"http://127.0.0.1:{server.server_port}"
    yield made
    server.shutdown()
    thread.join()
    server.server_close()


def test_plain_servers_are_reached_and_nothing_else() -> None:
    assert reaches("http://mlflow:5000")
    assert reaches("https://ada:word@mlflow.example/below")
    for url in ("sqlite:///var/mlflow.db", "databricks", "postgresql://host/db", "file:///x"):
        assert not reaches(url)


@pytest.mark.parametrize("name", WAYS)
def test_ways_that_only_mlflows_library_knows_are_left_to_it(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "something")
    assert not reaches(NOBODY)


def test_passwords_in_files_and_plugins_are_left_to_mlflows_library(
    plain_surroundings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert reaches(NOBODY)
    (plain_surroundings / ".netrc").touch()
    assert not reaches(NOBODY)
    (plain_surroundings / ".netrc").unlink()
    monkeypatch.setattr(mlflow_http, "PLUGINS", "console_scripts")  # some are always installed
    assert not reaches(NOBODY)


@pytest.mark.parametrize("file", ["~nobody of that name/.netrc", "~/" + "x" * 300])
def test_a_file_that_cannot_be_got_at_is_none(monkeypatch: pytest.MonkeyPatch, file: str) -> None:
    monkeypatch.setattr(mlflow_http, "FILES", (file,))
    assert reaches(NOBODY)


def test_who_asks_stands_in_the_url_or_the_environment(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    wall.status = 404
    wall.body = b'{"error_code": "RESOURCE_DOES_NOT_EXIST", "message": "none"}'

    def ask(url: str) -> None:
        assert HttpVersions(url).alias("recommender", "champion") is None

    ask(wall.address)
    ask(wall.address.replace("//", "//bob:secret@"))
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "token")
    ask(wall.address)
    monkeypatch.setenv("MLFLOW_TRACKING_USERNAME", "ada")
    monkeypatch.setenv("MLFLOW_TRACKING_PASSWORD", "word")
    ask(wall.address)
    ask(wall.address.replace("//", "//bob:secret@"))
    ada, bob = (f"Basic {base64.b64encode(who).decode()}" for who in (b"ada:word", b"bob:secret"))
    assert wall.asked == ["", bob, "Bearer token", ada, bob]


def test_no_log_has_a_password_in_it(wall: Wall, caplog: pytest.LogCaptureFixture) -> None:
    wall.body = b'{"registered_model": {}}'
    with caplog.at_level(logging.DEBUG):
        HttpVersions(wall.address.replace("//", "//bob:secret@")).alias("recommender", "champion")
    assert wall.address in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.parametrize(
    ("status", "body", "said"),
    [
        (401, b"You are not authenticated.", "401 Unauthorized"),
        (503, b"", "503 Service Unavailable"),
        (500, b'{"error_code": "INTERNAL_ERROR", "message": "no disk\\nat all"}', "500 no disk'"),
        (404, b"<html>another server</html>", "404 Not Found"),
        (404, b'{"message": "\xff"}', "404 Not Found"),
        (200, b"<html>another server</html>", "malformed"),
        (200, b'{"registered_model": 3}', "Expected `object`"),
        (
            200,
            b'{"registered_model": {"aliases": [{"alias": "champion", "version": "../1"}]}}',
            "matching regex",
        ),
    ],
)
def test_whatever_answers_instead_is_declared(
    wall: Wall, status: int, body: bytes, said: str
) -> None:
    wall.status, wall.body = status, body
    with pytest.raises(RegistryUnavailable, match="does not answer") as error:
        HttpVersions(wall.address).alias("recommender", "champion")
    assert said in str(error.value)
    assert "correct HOMING_TRACKING_URL" in str(error.value)


@pytest.mark.parametrize(
    "url",
    [
        NOBODY,
        "http://ada:geheim@127.0.0.1:9",
        "http://ada:geheim/geheim@127.0.0.1:9",
        "http://[::1",
        "http://a..b",
        "http://:x",
    ],
)
def test_a_server_that_is_not_there_is_declared_without_its_password(url: str) -> None:
    with pytest.raises(RegistryUnavailable, match="does not answer") as error:
        HttpVersions(url).alias("recommender", "champion")
    assert "geheim" not in str(error.value)


def test_a_token_that_cannot_be_sent_is_not_told(
    wall: Wall, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "word of ours\n")  # as files end
    with pytest.raises(RegistryUnavailable, match="Illegal header value b'Bearer …") as error:
        HttpVersions(wall.address).alias("recommender", "champion")
    assert "word" not in str(error.value)


@pytest.mark.parametrize("text", ["soon", "-1", "0", "1.5", ""])
def test_a_patience_that_is_no_seconds_is_named(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", text)
    with pytest.raises(SettingsError, match=r"MLFLOW_HTTP_REQUEST_TIMEOUT .* like 10"):
        HttpVersions(NOBODY).alias("recommender", "champion")


def test_certificates_may_be_a_file_or_a_folder_and_must_be_there(
    plain_surroundings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said() -> str:
        with pytest.raises(RegistryUnavailable) as error:
            HttpVersions("https://127.0.0.1:9").alias("recommender", "champion")
        return str(error.value)

    assert "refused" in said()
    for place in (certifi.where(), str(plain_surroundings)):
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", place)
        assert "refused" in said()
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(plain_surroundings / "nowhere.pem"))
    assert "No such file" in said()
