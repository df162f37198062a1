"""Whatever may become of events, the judge of the long proof sees it, and by its name."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import msgspec
import pytest
from deltalake import DeltaTable, write_deltalake

from features.clock import FixedClock
from features.event import Event
from features.ingest import Ingest
from features.lake import Lake
from features.stores.codec import encode_event
from features.stores.opening import open_log, open_stores
from tests.faults.intake.outcome import wrong_with
from tests.unit.features.making import NOW, event

SENT = [event("a"), event("b"), event("c")]


class Home:
    """Where events were taken in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"sqlite:///{path / 'events.db'}"

    def append(self, events: Sequence[Event]) -> None:
        with closing(open_log(self.url)) as log:
            log.append([encode_event(one) for one in events])

    def carry_on(self) -> None:
        """What the ingest loop does."""
        with (
            closing(open_log(self.url)) as log,
            closing(open_stores(f"sqlite:///{self.path / 'profiles.db'}")) as stores,
        ):
            ingest = Ingest(log, stores.profiles, Lake(str(self.path / "lake")), FixedClock(NOW))
            while ingest.fold_once() + ingest.merge_once():
                ingest.trim()

    def wrong(self, sent: Sequence[Event]) -> dict[str, int]:
        """What is, by its name."""
        wrong = wrong_with(self.path, self.url, sent)
        found = {name: number for name, number in asdict(wrong).items() if number}
        assert bool(wrong) is bool(found)
        return found


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.append([*SENT, SENT[0]])
    home.carry_on()
    return home


def test_all_is_well_however_often_something_was_sent(home: Home) -> None:
    assert home.wrong(SENT) == {}
    assert home.wrong([*SENT, *SENT]) == {}


def test_a_lost_event_is_missing(home: Home) -> None:
    assert home.wrong([*SENT, event("d"), event("e")]) == {"missing": 2}


def test_nothing_at_all_is_missing_too(tmp_path: Path) -> None:
    assert Home(tmp_path).wrong(SENT) == {"missing": 3}


def test_an_event_that_nobody_sent_is_foreign(home: Home) -> None:
    assert home.wrong(SENT[:2]) == {"foreign": 1}


def test_a_row_that_says_something_else_is_altered(home: Home) -> None:
    changed = msgspec.structs.replace(SENT[0], item="another")
    assert home.wrong([changed, *SENT[1:]]) == {"altered": 1}


def test_a_second_row_of_an_event_is_doubled(home: Home) -> None:
    path = Lake(str(home.path / "lake")).path("events")
    table = DeltaTable(path)
    write_deltalake(table, table.to_pyarrow_table().slice(0, 2), mode="append")
    assert home.wrong(SENT) == {"doubled": 2}


@pytest.mark.parametrize("change", ["DELETE FROM profiles", "UPDATE profiles SET history = NULL"])
def test_a_history_that_is_not_the_fold_of_the_lake_is_a_wrong_profile(
    home: Home, change: str
) -> None:
    with closing(sqlite3.connect(home.path / "profiles.db")) as connection:
        connection.execute(change)
        connection.commit()
    assert home.wrong(SENT) == {"profiles": len({one.customer for one in SENT})}


def test_what_a_reader_has_not_got_is_waiting(home: Home) -> None:
    home.append(SENT[:1])
    assert home.wrong(SENT) == {"waiting": 2}


def test_a_dead_letter_is_one(home: Home) -> None:
    with closing(open_log(home.url)) as log:
        log.bury([b"?"], "no event", "test")
    assert home.wrong(SENT) == {"letters": 1}
