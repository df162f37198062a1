"""Whatever order events come in, and however often: the same profiles, and those of the lake."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ibis.backends.duckdb import Backend

from features import columns as c
from features.alias import identified_of
from features.engine import open_engine
from features.event import Event, EventType
from features.ingest import histories
from features.persons import claims, owners, persons
from features.profile import History, Profile, history_of
from features.stores.halves import chunks
from features.stores.opening import Stores, open_stores
from features.tables import event_table
from tests.unit.features.making import ANN, BOB, CAT, DAN, EVE, NOW, event

KEYS = [ANN, BOB, CAT, DAN, EVE]
KINDS = [EventType.VIEW, EventType.PURCHASE, EventType.EMAIL_CLICK, EventType.UNSUBSCRIBE]
LATER = NOW + timedelta(days=30)


@st.composite
def happenings(draw: st.DrawFn) -> list[Event]:
    """Events of some customers, of whom some turn out to be others, and some are robots'."""
    rows = draw(
        st.lists(
            st.tuples(
                st.integers(0, 6),
                st.sampled_from(KEYS),
                st.sampled_from([*KINDS, *[EventType.IDENTIFY] * len(KINDS)]),
                st.sampled_from(KEYS),
                st.sampled_from([False, False, False, True]),
            ),
            max_size=14,
        )
    )
    return [
        event(
            f"e-{number}",
            NOW + timedelta(hours=hour),
            customer=customer,
            type=kind,
            machine=machine,
            item=None if kind is EventType.IDENTIFY else f"item-{number % 3}",
            alias=alias if kind is EventType.IDENTIFY else None,
        )
        for number, (hour, customer, kind, alias, machine) in enumerate(rows)
    ]


def whose(events: Iterable[Event], until: datetime = LATER) -> dict[str, str]:
    """Alias → who it is in the end: told as docs/events.md tells it, one moment after the other."""
    said = sorted(
        (one.occurred_at, one.alias, one.customer)
        for one in events
        if one.alias not in (None, one.customer) and not one.machine and one.occurred_at < until
    )
    owner: dict[str, str] = {}
    customers: set[str] = set()
    for moment in sorted({at for at, _, _ in said}):
        now = [(alias, customer) for at, alias, customer in said if at == moment]
        customers |= {customer for _, customer in now}
        for alias, customer in now:
            if alias not in customers:
                owner.setdefault(alias, customer)
    return {alias: _end(alias, owner) for alias in owner}


def _end(key: str, owner: Mapping[str, str]) -> str:
    return _end(owner[key], owner) if key in owner else key


def under(events: Iterable[Event], ends: Mapping[str, str]) -> list[Event]:
    """The same events under whom they count for."""
    return [
        msgspec.structs.replace(one, customer=ends.get(one.customer, one.customer))
        for one in events
    ]


def expected(events: Sequence[Event]) -> dict[str, Profile]:
    """The profiles of all who did anything, folded at once and in order."""
    found = histories(under(sorted(events, key=lambda one: one.occurred_at), whose(events)))
    return {key: Profile(key, history) for key, history in found.items()}


def fold(stores: Stores, arriving: Iterable[Event], size: int) -> dict[str, Profile]:
    """The profiles after events came in this order, so many at a time, in a store of before."""
    for key in KEYS:
        stores.profiles.delete(key)
    assert stores.profiles.count() == 0
    for some in chunks(arriving, size):
        stores.profiles.fold(histories(some), identified_of(some))
    return stores.profiles.get_many(stores.profiles.customers())


@pytest.fixture(scope="module", params=["memory", "sqlite"])
def stores(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stores]:
    path = Path(tmp_path_factory.mktemp("identities")) / "profiles.db"
    opened = open_stores("memory://" if request.param == "memory" else f"sqlite:///{path}")
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def memory() -> Iterator[Stores]:
    """One of the stores, both of which are held to `expected`."""
    with closing(open_stores("memory://")) as opened:
        yield opened


@pytest.fixture(scope="module")
def engine() -> Iterator[Backend]:
    engine = open_engine()
    with closing(engine.con):
        yield engine


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), told=happenings(), size=st.sampled_from([1, 2, 5, 40]))
def test_out_of_order_and_doubled_arrival_gives_the_profiles_of_arrival_in_order(
    stores: Stores, data: st.DataObject, told: list[Event], size: int
) -> None:
    again = data.draw(st.lists(st.sampled_from(told), max_size=6)) if told else []
    arriving = data.draw(st.permutations([*told, *again]))
    assert fold(stores, arriving, size) == expected(told)


@settings(max_examples=50, deadline=None)
@given(told=happenings())
def test_profiles_are_a_fold_of_the_lake(
    memory: Stores, engine: Backend, told: list[Event]
) -> None:
    links = owners(claims(lake_of(told, engine)), LATER).to_pylist()
    ends = {row[c.ALIAS]: row[c.CUSTOMER] for row in links}
    assert ends == whose(told)
    folded = histories(under(told, ends))
    assert {key: one.history for key, one in fold(memory, told, 3).items()} == folded


def lake_of(events: Sequence[Event], engine: Backend) -> ibis.Table:
    """The events as the lake gives them."""
    engine.con.register("lake", event_table(events))
    return engine.table("lake")


def seen(events: Sequence[Event], at: datetime, engine: Backend) -> list[tuple[str, str]]:
    """What training reads as of a moment: event and customer."""
    read = persons(lake_of(events, engine), at)
    assert list(read.columns) == list(c.EVENT)
    rows = read.order_by(c.ID).to_pyarrow().to_pylist()
    return [(row[c.ID], row[c.CUSTOMER]) for row in rows]


@settings(max_examples=40, deadline=None)
@given(told=happenings(), hour=st.integers(0, 7))
def test_training_reads_what_persons_did_as_it_was_known_and_nothing_of_the_future(
    engine: Backend, told: list[Event], hour: int
) -> None:
    at = NOW + timedelta(hours=hour)
    past = [one for one in told if one.occurred_at < at]
    acts = [one for one in past if not one.machine and one.type is not EventType.IDENTIFY]
    known = sorted((one.id, one.customer) for one in under(acts, whose(past)))
    assert seen(told, at, engine) == known


@given(told=happenings())
def test_a_robot_leaves_nothing_but_that_mail_must_stop(told: list[Event]) -> None:
    robots = [msgspec.structs.replace(one, machine=True) for one in told]
    assert identified_of(robots) == {}
    history = history_of(robots)
    stops = [one.occurred_at for one in robots if one.type is EventType.UNSUBSCRIBE]
    latest: dict[str, int] = {EventType.UNSUBSCRIBE: int(max(stops).timestamp())} if stops else {}
    assert history == History(latest=latest)
