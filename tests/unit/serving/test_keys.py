from __future__ import annotations

from pathlib import Path

import pytest

from features.clock import FixedClock
from features.errors import InvalidArgument, SettingsError
from serving.keys import KeyFile, Scope, signing_key
from tests.unit.serving.kit import NOW


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "var" / "keys.json", FixedClock(NOW))


def test_a_new_key_is_recognised_by_its_token_alone(keys: KeyFile) -> None:
    created = keys.create("shop", ["events", "recommend"])
    assert keys.check(created.token) == created.key
    assert keys.check(created.token[:-1] + ("0" if created.token[-1] != "0" else "1")) is None
    assert created.key.scopes == (Scope.EVENTS, Scope.RECOMMEND)


@pytest.mark.parametrize(
    "token", ["", "hk", "hk_", "hk__", "hk_nobody_", "hk_nobody_x", "\udcff_é_x"]
)
def test_what_is_no_key_is_none(keys: KeyFile, token: str) -> None:
    keys.create("shop", ["events"])
    assert keys.check(token) is None


def test_an_empty_secret_opens_nothing(keys: KeyFile) -> None:
    created = keys.create("shop", ["events"])
    assert keys.check(f"hk_{created.key.id}_") is None


def test_the_file_tells_nobody_the_secret_and_is_its_owners_alone(
    keys: KeyFile, tmp_path: Path
) -> None:
    created = keys.create("shop", ["events"])
    file = tmp_path / "var" / "keys.json"
    assert created.token.rpartition("_")[2] not in file.read_text()
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_revoked_key_stops_working_in_every_process(keys: KeyFile, tmp_path: Path) -> None:
    elsewhere = KeyFile(tmp_path / "var" / "keys.json", FixedClock(NOW))
    created, other = keys.create("one", ["events"]), keys.create("two", ["admin"])
    assert elsewhere.check(created.token) is not None
    assert keys.revoke(created.key.id)
    assert elsewhere.check(created.token) is None
    assert elsewhere.all() == [other.key]
    assert not keys.revoke(created.key.id)


def test_without_a_file_there_is_no_key(keys: KeyFile, tmp_path: Path) -> None:
    assert keys.all() == []
    created = keys.create("shop", ["events"])
    (tmp_path / "var" / "keys.json").unlink()
    assert keys.check(created.token) is None


def test_a_scope_allows_itself_and_admin_allows_all(keys: KeyFile) -> None:
    events, admin = keys.create("a", ["events"]).key, keys.create("b", ["admin"]).key
    assert [scope for scope in Scope if events.allows(scope)] == [Scope.EVENTS]
    assert all(admin.allows(scope) for scope in Scope)


@pytest.mark.parametrize("scopes", [[], ["everything"], ["events", ""]])
def test_a_scope_that_is_not_known_is_refused(keys: KeyFile, scopes: list[str]) -> None:
    with pytest.raises(InvalidArgument, match=r"scope = .*choose among recommend, events"):
        keys.create("shop", scopes)
    assert keys.all() == []


def test_a_broken_file_is_named_and_keeps_those_in_who_were_in(
    keys: KeyFile, tmp_path: Path
) -> None:
    created = keys.create("shop", ["events"])
    assert keys.check(created.token) is not None
    (tmp_path / "var" / "keys.json").write_text("[{")
    assert keys.check(created.token) is not None
    with pytest.raises(SettingsError, match=r"keys\.json can't be read"):
        keys.all()
    with pytest.raises(SettingsError, match=r"keys\.json can't be read"):
        keys.create("other", ["events"])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    keys = KeyFile(tmp_path / "file" / "keys.json", FixedClock(NOW))
    with pytest.raises(SettingsError, match=r"keys\.json can't be locked"):
        keys.create("shop", ["events"])


def test_a_file_that_cannot_be_replaced_is_named(keys: KeyFile, tmp_path: Path) -> None:
    created = keys.create("shop", ["events"])
    file = tmp_path / "var" / "keys.json"
    body = file.read_bytes()
    file.unlink()
    file.mkdir()
    (file / "in the way").write_bytes(body)
    with pytest.raises(SettingsError, match=r"keys\.json can't be"):
        keys.create("other", ["events"])
    assert keys.check(created.token) is None


def test_the_signing_key_follows_from_the_token(keys: KeyFile) -> None:
    created = keys.create("shop", ["recommend"])
    assert created.signing_key == signing_key(created.token) == created.key.signing
    assert created.signing_key not in {created.key.hashed, created.token}


def test_a_disk_that_is_full_keeps_the_keys_there_were(
    keys: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    created = keys.create("shop", ["events"])
    monkeypatch.setattr("serving.keys.write_atomically", full)
    with pytest.raises(SettingsError, match=r"keys\.json can't be written: No space left"):
        keys.create("other", ["events"])
    assert keys.all() == [created.key]


def test_a_file_that_is_looked_at_now_and_then_knows_a_new_key_at_once(
    keys: KeyFile, tmp_path: Path
) -> None:
    seldom = KeyFile(tmp_path / "var" / "keys.json", FixedClock(NOW), look_seconds=60)
    first = keys.create("shop", ["events"])
    assert seldom.check(first.token) is not None
    assert seldom.check(keys.create("mail", ["recommend"]).token) is not None
    assert seldom.check("hk_none_none") is None
