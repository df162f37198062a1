"""The scheme of a URL chooses the backend; what can't be chosen is a setting to mend."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from features.errors import MissingExtra, SettingsError, StoreUnavailable
from features.profile import Profile
from features.stores.opening import open_log, open_stores

ADA = "ck_" + "a" * 32


def test_a_relative_path_begins_in_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    stores = open_stores("sqlite:///var/profiles.db")
    stores.profiles.put_many([Profile(ADA)])
    stores.pins.pin(ADA, "mail", "hero", b"slate", 60)
    stores.close()
    assert sorted(path.name for path in (tmp_path / "var").glob("*.db")) == [
        "profiles.db",
        "profiles.pins.db",
    ]


def test_a_path_is_taken_as_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "100% café #1?.db"
    log = open_log(f"sqlite:///{path}")
    log.append([b"1"])
    log.close()
    assert path.exists()


def test_opening_touches_nothing(tmp_path: Path) -> None:
    open_stores(f"sqlite:///{tmp_path / 'a' / 'profiles.db'}").close()
    open_log(f"sqlite:///{tmp_path / 'a' / 'events.db'}").close()
    assert list(tmp_path.iterdir()) == []


def test_what_was_kept_is_there_for_the_next_process(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'events.db'}"
    log = open_log(url)
    log.append([b"1"])
    log.close()
    again = open_log(url)
    assert [entry.body for entry in again.take("reader", 10)] == [b"1"]
    again.close()


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgres://ada:hunter2@host/db", "postgres://"),
        ("hunter2", "no scheme"),
        ("", "no scheme"),
        ("REDIS://host", "REDIS://"),
    ],
)
def test_an_unknown_scheme_lists_the_known_ones(url: str, shown: str) -> None:
    with pytest.raises(SettingsError, match="HOMING_STORE_URL") as caught:
        open_stores(url)
    assert shown in str(caught.value)
    assert "memory://, sqlite://, redis://, rediss://" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_the_log_has_schemes_of_its_own() -> None:
    with pytest.raises(
        SettingsError,
        match=r"HOMING_LOG_URL.*one of memory://, sqlite://, redis://, .*, amqp://, .*none://$",
    ):
        open_log("ftp://host")


@pytest.mark.parametrize("url", ["sqlite://", "sqlite:///", "sqlite://profiles.db", "sqlite:///a/"])
def test_a_sqlite_url_names_a_file(url: str) -> None:
    with pytest.raises(SettingsError, match="sqlite:///PATH"):
        open_stores(url)


def test_memory_has_no_place() -> None:
    with pytest.raises(SettingsError, match="write memory://"):
        open_stores("memory://shop")
    with pytest.raises(SettingsError, match="write memory://"):
        open_log("memory://shop")


def test_a_missing_library_names_the_line_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    monkeypatch.delitem(sys.modules, "features.stores.redis", raising=False)
    with pytest.raises(MissingExtra, match=r"pip install 'homing\[redis\]'"):
        open_stores("redis://host")


def test_a_broken_library_is_not_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis.backoff", None)
    monkeypatch.delitem(sys.modules, "features.stores.redis", raising=False)
    with pytest.raises(ModuleNotFoundError, match=r"redis\.backoff"):
        open_stores("redis://host")


def test_a_store_that_is_down_is_told_at_the_first_call() -> None:
    stores = open_stores("redis://127.0.0.1:1")
    with pytest.raises(StoreUnavailable, match="check that it runs"):
        stores.profiles.ping()
    stores.close()
