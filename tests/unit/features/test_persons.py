"""Whose events are whose as of a moment, in evident cases; any cases are in tests/properties."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from deltalake import write_deltalake
from ibis.backends.duckdb import Backend

from features import columns as c
from features.engine import open_engine
from features.event import Event, EventType
from features.lake import EVENTS, Lake
from features.persons import claims, owners, persons
from features.tables import event_table
from tests.unit.features.making import ANN, BOB, CAT, DAN, NOW, event, identify


def hour(number: float) -> datetime:
    return NOW + timedelta(hours=number)


@pytest.fixture
def engine() -> Iterator[Backend]:
    engine = open_engine()
    with closing(engine.con):
        yield engine


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path))


def read(engine: Backend, lake: Lake, at: datetime, *events: Event) -> dict[str, str]:
    """Event → customer, as of a moment."""
    lake.merge_events(event_table(events))
    table = persons(lake.events(engine), at).to_pyarrow()
    return dict(zip(table[c.ID].to_pylist(), table[c.CUSTOMER].to_pylist(), strict=True))


def test_what_an_alias_did_is_its_owners_once_that_is_known(engine: Backend, lake: Lake) -> None:
    visit = event("e-1", hour(1))
    known = identify("i-1", ANN, BOB, 2)
    after = event("e-2", hour(3))
    assert read(engine, lake, hour(2), visit, known, after) == {"e-1": ANN}
    assert read(engine, lake, hour(3)) == {"e-1": BOB}
    assert read(engine, lake, hour(4)) == {"e-1": BOB, "e-2": BOB}


def test_what_robots_do_and_say_is_left_out(engine: Backend, lake: Lake) -> None:
    robot = event("i-1", type=EventType.IDENTIFY, item=None, customer=BOB, alias=ANN, machine=True)
    events = [event("e-1"), event("e-2", machine=True), robot]
    assert read(engine, lake, hour(1), *events) == {"e-1": ANN}


def test_a_chain_of_any_length_is_followed(engine: Backend, lake: Lake) -> None:
    keys = [f"ck_{number:032x}" for number in range(20)]
    links = [
        identify(f"i-{n}", alias, owner, -n) for n, (alias, owner) in enumerate(pairwise(keys))
    ]
    visits = [event(f"e-{n:02}", hour(-1), customer=key) for n, key in enumerate(keys)]
    found = read(engine, lake, hour(1), *links, *visits)
    assert set(found.values()) == {keys[-1]}
    assert len(found) == len(keys)


def test_whose_each_alias_is_is_told_by_the_earliest(engine: Backend, lake: Lake) -> None:
    said = [
        identify("i-1", ANN, BOB, 2),
        identify("i-2", ANN, CAT, 1),
        identify("i-3", CAT, DAN, 3),
    ]
    lake.merge_events(event_table([*said, identify("i-4", DAN, DAN, 0)]))
    told = claims(lake.events(engine))
    assert owners(told, hour(9)).to_pylist() == [{"alias": ANN, "customer": CAT}]
    assert owners(told, hour(1)).num_rows == 0


def test_a_lake_of_before_has_persons_only(engine: Backend, lake: Lake) -> None:
    older = event_table([event("e-1"), event("e-2")]).drop_columns([c.MACHINE, c.ALIAS])
    write_deltalake(lake.path(EVENTS), older, partition_by=[c.DATE])
    assert persons(lake.events(engine), hour(1)).count().to_pyarrow().as_py() == 2
    assert read(engine, lake, hour(3), identify("i-1", ANN, BOB, 2)) == {"e-1": BOB, "e-2": BOB}
