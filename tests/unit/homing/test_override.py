"""`homing override` writes what persons decide straight into the stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.errors import InvalidArgument
from features.item import Item
from features.override import Action, Override
from features.stores.opening import open_stores
from homing import cli
from homing.override import moment, sentence

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)

Run = Callable[..., int]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOMING_HOME", str(tmp_path))
    stores = open_stores(f"sqlite:///{tmp_path / 'profiles.db'}")
    stores.catalogue.put_many([Item(id="tea", title="Tea"), Item(id="pot", title="Pot")])
    stores.close()
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command; gives its exit status."""

    def call(*words: str) -> int:
        monkeypatch.setattr("sys.argv", ["homing", "override", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return int(ended.value.code or 0)

    return call


def kept(home: Path) -> tuple[Override, ...]:
    stores = open_stores(f"sqlite:///{home / 'profiles.db'}")
    found = stores.catalogue.overrides().overrides
    stores.close()
    return found


def test_what_is_decided_is_kept_and_said(
    home: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("ban", "tea", "--until", "2999-12-24", "--note", "recalled", "--id", "no-tea") == 0
    assert "no-tea  ban tea everywhere, until 2999-12-25 00:00 UTC" in capsys.readouterr().out
    assert run("pin", "pot", "--block", "hero", "--position", "2", "--segment", "loyal") == 0
    assert "pin pot to place 2 in hero, for loyal" in capsys.readouterr().out
    assert run("boost", "pot", "--strength", "0.5", "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert (said["action"], said["item"], said["strength"]) == ("boost", "pot", 0.5)
    assert {(one.action, one.item) for one in kept(home)} == {
        (Action.BAN, "tea"),
        (Action.PIN, "pot"),
        (Action.BOOST, "pot"),
    }


def test_they_are_listed_and_dropped(
    home: Path, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("list") == 0
    assert "no overrides" in capsys.readouterr().out
    run("ban", "tea", "--id", "no-tea", "--from", "2999-01-01")
    run("ban", "pot", "--id", "no-pot")
    capsys.readouterr()
    assert run("list") == 0
    shown = capsys.readouterr().out
    assert "2999-01-01 00:00 (to come)" in shown
    assert "ban pot everywhere" in shown
    assert run("list", "--json") == 0
    listed = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in listed["overrides"]] == ["no-pot", "no-tea"]
    assert run("drop", "no-tea", "nothing") == 1
    assert "id = 'nothing': no such override" in capsys.readouterr().err
    assert len(kept(home)) == 2
    assert run("drop", "no-tea", "no-pot") == 0
    assert kept(home) == ()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("ban", "teas"), "item = 'teas': no such item"),
        (("ban", "tea", "--block", "heroes"), "block = 'heroes': no such block; choose among"),
        (("ban", "tea", "--until", "soon"), "until = 'soon': not a time"),
        (("ban", "tea", "--until", "2999-01-01T12:00"), "ends_at"),
        (("ban", "tea", "--until", "2020-01-01"), "in the past"),
        (("pin", "tea", "--position", "0"), "position = 0: out of range"),
    ],
)
def test_a_slip_is_told_and_nothing_is_kept(
    home: Path, run: Run, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], message: str
) -> None:
    assert run(*words) == 1
    assert message in capsys.readouterr().err
    assert kept(home) == ()


def test_a_day_stands_for_its_beginning_or_its_end() -> None:
    assert moment(None, "until", lambda day: day) is None
    assert moment("2026-12-24", "from", lambda day: day) == "2026-12-24T00:00:00+00:00"
    assert moment("2026-12-24T18:00+01:00", "until", lambda day: day) == (
        "2026-12-24T18:00:00+01:00"
    )
    with pytest.raises(InvalidArgument, match=r"until = '24.12.': not a time; give a day"):
        moment("24.12.", "until", lambda day: day)


def test_an_override_reads_as_a_sentence() -> None:
    boost = Override(id="b", action=Action.BOOST, item="tea", strength=0.25, created_at=NOW)
    assert sentence(boost) == "boost tea by 25% of the slate everywhere"
