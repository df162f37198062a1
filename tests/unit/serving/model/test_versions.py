"""What every way to a registry has in common: MLflow's library and its server over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from features.errors import RegistryUnavailable
from serving.model.mlflow_http import HttpVersions
from serving.model.mlflow_library import LibraryVersions
from serving.model.versions import Versions, redacted
from tests.mlflow_server import mlflow_server

PATIENCE = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A registry with three versions of a recommender, the last of which a run made."""
    folder = tmp_path_factory.mktemp("registry")
    url = f"sqlite:///{folder}/mlflow.db"
    with LibraryVersions(url, "train", PATIENCE).client() as client:
        client.create_registered_model("recommender")
        client.create_model_version("recommender", str(folder), tags={"algorithm": "als"})
        client.create_model_version("recommender", str(folder))
        run = client.create_run(client.create_experiment("tests")).info.run_id
        client.create_model_version("recommender", str(folder), run_id=run)
    return url


@pytest.fixture(scope="module")
def server(database: str) -> Iterator[str]:
    with mlflow_server(database) as address:
        yield address


@pytest.fixture(params=["library", "http"])
def versions(request: pytest.FixtureRequest, database: str) -> Versions:
    if request.param == "library":
        return LibraryVersions(database, "train", PATIENCE)
    return HttpVersions(request.getfixturevalue("server"))


def test_a_version_says_what_it_is_and_came_from(versions: Versions) -> None:
    first, last = versions.version("recommender", "1"), versions.version("recommender", "3")
    assert (first.number, first.run_id, dict(first.tags)) == ("1", "", {"algorithm": "als"})
    assert (last.number, len(last.run_id), dict(last.tags)) == ("3", 32, {})
    assert first.registered <= last.registered
    assert last.registered > 1_600_000_000_000  # milliseconds, not seconds


def test_all_versions_are_told_the_newest_first(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [version.number for version in versions.versions("recommender")] == ["3", "2", "1"]
    for way in ("mlflow_http", "mlflow_library"):
        monkeypatch.setattr(f"serving.model.{way}.PAGE", 1)
    assert [version.number for version in versions.versions("recommender")] == ["3", "2", "1"]
    assert versions.versions("oracle") == []


def test_an_alias_names_one_version_until_it_is_dropped(versions: Versions) -> None:
    for number in ("1", "2"):
        versions.set_alias("recommender", "champion", number)
        assert versions.alias("recommender", "champion") == number
        assert versions.version("recommender", number).aliases == ("champion",)
    assert versions.alias("recommender", "challenger") is None
    versions.drop_alias("recommender", "champion")
    assert versions.alias("recommender", "champion") is None
    assert versions.alias("oracle", "champion") is None


def test_a_tag_is_replaced_and_holds_whatever_text(versions: Versions) -> None:
    for text in ("first", '[{"reason": "ça va & größer \\n"}]'):
        versions.set_tag("recommender", "2", "promotions", text)
        assert versions.version("recommender", "2").tags == {"promotions": text}


def test_a_version_that_is_not_registered_is_named(versions: Versions) -> None:
    with pytest.raises(RegistryUnavailable, match=r"has no recommender/9: .* `homing train`"):
        versions.version("recommender", "9")
    with pytest.raises(RegistryUnavailable, match="has no recommender/9"):
        versions.set_tag("recommender", "9", "name", "text")
    with pytest.raises(RegistryUnavailable, match="has no recommender/9"):
        versions.set_alias("recommender", "champion", "9")


def test_a_refused_call_says_why(versions: Versions) -> None:
    with pytest.raises(RegistryUnavailable, match=r"does not answer: .* exceeds the max"):
        versions.set_tag("recommender", "1", "x" * 2_000, "too long a name")


def test_a_database_whose_file_is_damaged_is_unavailable_at_once(tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"this is not a database")
    damaged = LibraryVersions(f"sqlite:///{tmp_path}/mlflow.db", "train", PATIENCE)
    with pytest.raises(RegistryUnavailable, match="not a SQLite file"):
        damaged.alias("recommender", "champion")


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://user:word@host:5000/path", "https://host:5000/path"),
        ("http://host", "http://host"),
        ("postgresql://user@host/db?password=word", "postgresql://host/db"),
        ("databricks", "databricks"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert redacted(url) == shown
