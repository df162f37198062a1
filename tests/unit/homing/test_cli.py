from __future__ import annotations

import io
import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import NoReturn

import msgspec
import pytest

from features.clock import SystemClock
from features.errors import LakeMissing
from features.importing import ImportReport
from features.stores.codec import encode_event
from features.stores.opening import open_log, open_stores
from homing import cli
from homing.importing import import_lines
from serving.keys import KeyFile, Scope
from tests.shop import SECRET, make_shop
from training.settings import TrainingSettings


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOMING_HOME", str(tmp_path))
    monkeypatch.setenv("HOMING_SECRET", SECRET)
    return tmp_path


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    """The exit status of a command."""
    monkeypatch.setattr("sys.argv", ["homing", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return int(ended.value.code or 0)


def test_check_shows_settings_without_their_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOMING_TRACKING_URL", "https://ada:hunter2@mlflow.example/?token=hunter2")

    assert run(monkeypatch, "check") == 0

    shown = capsys.readouterr().out
    assert "https://***@mlflow.example/?***" in shown
    assert "hunter2" not in shown
    assert SECRET not in shown
    assert "ok    profile store: 0 profiles, 0 items" in shown


def test_check_fails_where_something_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("HOMING_SECRET")

    assert run(monkeypatch, "check", "--json") == 1

    report = json.loads(capsys.readouterr().out)
    (secret,) = [check for check in report["checks"] if check["name"] == "secret"]
    assert not secret["sound"]
    assert "openssl rand -hex 32" in secret["says"]


def test_a_declared_error_is_one_line_and_status_1(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOMING_STORE_URL", "carrier-pigeon://loft")

    assert run(monkeypatch, "import", "history.csv", "--mapping", "nowhere.toml") == 1

    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("homing: ")
    assert "nowhere.toml" in line


def test_a_setting_that_is_no_number_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HOMING_PORT", "eighty")

    assert run(monkeypatch, "serve") == 1

    assert "HOMING_PORT" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        ["promote"],
        ["serve", "--port", "65536"],
        ["demo", "--port", "-1"],
        ["train", "--tune", "-1"],
        ["train", "--tune", "inf"],
        ["retrain", "--tune", "nan"],
    ],
)
def test_wrong_usage_is_status_2(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> None:
    assert run(monkeypatch, *words) == 2


@pytest.mark.parametrize("name", ["HOLDOUT", "GAP", "FRESH", "CHURN_HORIZON", "CHURN_ACTIVE"])
def test_days_that_no_calendar_has_are_refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    monkeypatch.setenv(f"HOMING_{name}_DAYS", "99999999999")

    assert run(monkeypatch, "train") == 1

    assert f"homing: HOMING_{name}_DAYS can't be used" in capsys.readouterr().err


def test_a_new_key_works_and_is_listed_without_its_secret(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "key", "create", "--scope", "recommend", "--json") == 0
    token = json.loads(capsys.readouterr().out)["token"]

    found = KeyFile(home / "keys.json", SystemClock()).check(token)
    assert found is not None
    assert found.allows(Scope.RECOMMEND)
    assert run(monkeypatch, "key", "list") == 0
    listed = capsys.readouterr().out
    assert found.id in listed
    assert token.rpartition("_")[2] not in listed


def test_a_revoked_key_is_gone(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = KeyFile(home / "keys.json", SystemClock())
    created = keys.create("shop", ["events"])

    assert run(monkeypatch, "key", "revoke", created.key.id) == 0
    assert keys.check(created.token) is None
    assert run(monkeypatch, "key", "revoke", created.key.id) == 1
    assert "no such key" in capsys.readouterr().err


def test_customer_ids_become_keys_by_way_of_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("customer-0\n\ncustomer-1\n"))

    assert run(monkeypatch, "key", "customer") == 0

    assert capsys.readouterr().out.split() == list(make_shop(2).outside.values())


def test_dead_letters_are_listed_and_those_that_can_be_read_are_sent_again(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    event = encode_event(make_shop(1).events[0])
    log = open_log(f"sqlite:///{home / 'events.db'}")
    far = msgspec.structs.replace(
        make_shop(1).events[0], occurred_at=datetime(2999, 1, 1, tzinfo=UTC)
    )
    log.bury([b"\xffnonsense", event, encode_event(far)], reason="unreadable", source="tests")
    log.close()

    assert run(monkeypatch, "replay", "--json") == 0
    assert len(json.loads(capsys.readouterr().out)["waiting"]) == 3

    assert run(monkeypatch, "replay", "--send", "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert report["sent"] == 1
    nonsense, too_early = report["waiting"]
    assert nonsense["bytes"] == 9
    assert "in the future" in too_early["reason"]
    log = open_log(f"sqlite:///{home / 'events.db'}")
    assert [entry.body for entry in log.take("profiles", 10)] == [event]
    log.close()


@pytest.mark.parametrize("library", ["deltalake", "pyarrow"])
def test_an_image_that_lacks_a_library_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], library: str
) -> None:
    monkeypatch.delitem(sys.modules, "features.lake", raising=False)
    monkeypatch.setitem(sys.modules, library, None)

    assert run(monkeypatch, "compact") == 1
    assert "pip install 'homing[ingest]'" in capsys.readouterr().err

    assert run(monkeypatch, "check") == 0
    assert "lake: not looked at" in capsys.readouterr().out


def test_a_lake_that_is_missing_is_named(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "compact") == 1
    assert str(home / "lake") in capsys.readouterr().err


def test_check_counts_what_is_in_the_store(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop = make_shop(5)
    stores = open_stores(f"sqlite:///{home / 'profiles.db'}")
    stores.profiles.put_many(shop.profiles())
    stores.catalogue.put_many(shop.items)
    stores.close()

    assert run(monkeypatch, "check") == 0

    assert "5 profiles, 48 items" in capsys.readouterr().out


def test_an_import_of_items_alone_says_nothing_of_events() -> None:
    assert list(import_lines(ImportReport(items=3))) == ["3 items in the catalogue"]


def test_a_fault_of_our_own_is_one_line_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def burst() -> None:
        message = "nobody foresaw this\nat all"
        raise RuntimeError(message)

    monkeypatch.setattr("homing.upkeep.check_settings", burst)

    assert run(monkeypatch, "check") == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert "RuntimeError: nobody foresaw this; HOMING_LOG_LEVEL=debug" in line

    monkeypatch.setenv("HOMING_LOG_LEVEL", "debug")
    monkeypatch.setattr("sys.argv", ["homing", "check"])
    with pytest.raises(RuntimeError):
        cli.main()


@pytest.mark.parametrize("command", ["train", "retrain"])
@pytest.mark.parametrize(("words", "seconds"), [(["--tune", "90"], 90.0), ([], 30.0)])
def test_a_budget_of_the_command_line_stands_above_the_environments(
    monkeypatch: pytest.MonkeyPatch, command: str, words: list[str], seconds: float
) -> None:
    given: list[float] = []

    def train(settings: TrainingSettings, _stage: object) -> NoReturn:
        given.append(settings.tune_seconds)
        message = "no history"
        raise LakeMissing(message)

    monkeypatch.setenv("HOMING_TUNE_SECONDS", "30")
    monkeypatch.setattr(f"training.bootstrap.{command}", train)
    assert run(monkeypatch, command, *words) == 1
    assert given == [seconds]
