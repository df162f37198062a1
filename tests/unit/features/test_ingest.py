"""The consumer loop carries every event on, once, and puts aside what it can't read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pyarrow as pa
import pytest
from structlog.testing import capture_logs

from features import ingest as loop
from features.alias import Identified
from features.clock import FixedClock
from features.engine import open_engine
from features.errors import LakeUnavailable, StoreUnavailable, Unavailable
from features.event import Event, EventType
from features.ingest import Ingest, histories, run_half, run_ingest
from features.lake import Lake, MergeReport
from features.persons import persons
from features.profile import History, history_of
from features.settings import Settings
from features.stores.codec import encode_event
from features.stores.opening import Stores, open_log, open_stores
from features.stores.ports import EventLog

NOW = datetime(2026, 6, 1, tzinfo=UTC)
ADA = "ck_" + "a" * 32
BOB = "ck_" + "b" * 32


class ListLake:
    """Keeps event ids in the order of their merging, each once, as the lake does."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self.merges = 0
        self.down = False

    def merge_events(self, events: pa.Table) -> MergeReport:
        if self.down:
            message = "the lake is down"
            raise LakeUnavailable(message)
        fresh = [name for name in dict.fromkeys(events["id"].to_pylist()) if name not in self.ids]
        self.ids += fresh
        self.merges += 1
        return MergeReport(events.num_rows, len(fresh), self.merges)


def bought(number: int, customer: str = ADA) -> Event:
    return Event(
        id=f"e-{number}",
        type=EventType.PURCHASE,
        customer=customer,
        occurred_at=NOW - timedelta(minutes=number),
        item=f"item-{number}",
    )


def append(log: EventLog, events: Sequence[Event]) -> None:
    log.append([encode_event(event) for event in events])


@pytest.fixture
def log() -> EventLog:
    return open_log("memory://", FixedClock(NOW))


@pytest.fixture
def stores() -> Stores:
    return open_stores("memory://")


@pytest.fixture
def lake() -> ListLake:
    return ListLake()


@pytest.fixture
def ingest(log: EventLog, stores: Stores, lake: ListLake) -> Ingest:
    return Ingest(log, stores.profiles, lake, FixedClock(NOW))


def test_events_reach_the_profile_and_the_lake(
    ingest: Ingest, log: EventLog, stores: Stores, lake: ListLake
) -> None:
    events = [bought(1), bought(2, BOB), bought(3)]
    append(log, events)
    assert ingest.fold_once() == 3
    assert ingest.merge_once() == 3
    profile = stores.profiles.get(ADA)
    assert profile is not None
    assert profile.history == history_of([bought(1), bought(3)])
    assert lake.ids == ["e-1", "e-2", "e-3"]


def test_nothing_waiting_is_nothing_done(ingest: Ingest, lake: ListLake) -> None:
    assert ingest.fold_once() == ingest.merge_once() == ingest.waiting() == ingest.trim() == 0
    assert lake.merges == 0


def test_the_same_event_again_changes_nothing(
    ingest: Ingest, log: EventLog, stores: Stores, lake: ListLake
) -> None:
    append(log, [bought(1), bought(1)])
    append(log, [bought(1)])
    ingest.fold_once()
    ingest.merge_once()
    profile = stores.profiles.get(ADA)
    assert profile is not None
    assert profile.history == history_of([bought(1)])
    assert lake.ids == ["e-1"]


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"\xff\x00", "not an event"),
        (encode_event(bought(-3_000)), "in the future"),
        (encode_event(bought(1, "ada@shop.example")), "not a customer key"),
    ],
)
def test_poison_is_buried_with_its_bytes_and_the_rest_goes_on(
    ingest: Ingest, log: EventLog, stores: Stores, lake: ListLake, body: bytes, reason: str
) -> None:
    append(log, [bought(1)])
    log.append([body])
    append(log, [bought(2)])
    assert (ingest.fold_once(), ingest.merge_once()) == (3, 3)
    (letter,) = log.dead_letters()
    assert (letter.body, letter.source, letter.at) == (body, "ingest", NOW.timestamp())
    assert reason in letter.reason
    assert lake.ids == ["e-1", "e-2"]
    profile = stores.profiles.get(ADA)
    assert profile is not None
    assert set(profile.history.bought) == {"item-1", "item-2"}


def test_a_batch_of_poison_alone_is_passed(ingest: Ingest, log: EventLog, lake: ListLake) -> None:
    log.append([b"1", b"2"])
    assert (ingest.fold_once(), ingest.merge_once(), ingest.trim()) == (2, 2, 2)
    assert [letter.body for letter in log.dead_letters()] == [b"1", b"2"]
    assert lake.merges == 0


def test_a_lake_that_is_down_does_not_stop_profiles_and_loses_nothing(
    ingest: Ingest, log: EventLog, stores: Stores, lake: ListLake
) -> None:
    append(log, [bought(1)])
    lake.down = True
    assert ingest.fold_once() == 1
    with pytest.raises(LakeUnavailable):
        ingest.merge_once()
    assert ingest.trim() == 0
    lake.down = False
    assert ingest.merge_once() == 1
    assert lake.ids == ["e-1"]
    assert stores.profiles.count() == 1


def test_profiles_that_are_down_do_not_stop_the_lake_and_lose_nothing(
    ingest: Ingest, log: EventLog, stores: Stores
) -> None:
    append(log, [bought(1)])
    stores.close()
    with pytest.raises(StoreUnavailable):
        ingest.fold_once()
    assert ingest.merge_once() == 1
    assert log.depth("profiles") == 1
    assert ingest.trim() == 0


def test_without_a_lake_only_profiles_are_written(log: EventLog, stores: Stores) -> None:
    ingest = Ingest(log, stores.profiles, None, FixedClock(NOW))
    append(log, [bought(1)])
    assert (ingest.fold_once(), ingest.merge_once(), ingest.waiting()) == (1, 0, 0)
    assert ingest.trim() == 1


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(60.0, [2, 4, 8, 8, 2, 0, 0, 1]), (0.0, [2] * 12 + [0])],
)
def test_a_loop_that_is_behind_folds_more_at_once_as_long_as_it_is_quick(
    log: EventLog,
    stores: Stores,
    monkeypatch: pytest.MonkeyPatch,
    seconds: float,
    expected: list[int],
) -> None:
    for name, value in (("FOLD_BATCH", 2), ("FOLD_MOST", 8), ("FOLD_SECONDS", seconds)):
        monkeypatch.setattr(loop, name, value)
    ingest = Ingest(log, stores.profiles, None, FixedClock(NOW))
    append(log, [bought(number) for number in range(24)])
    folded = [ingest.fold_once() for _ in expected[:-1]]
    append(log, [bought(24)] * expected[-1])
    assert [*folded, ingest.fold_once()] == expected


def test_a_loop_whose_folds_take_long_folds_fewer_each_time(
    log: EventLog, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FOLD_BATCH", 2), ("FOLD_MOST", 8), ("FOLD_SECONDS", 60.0)):
        monkeypatch.setattr(loop, name, value)
    ingest = Ingest(log, stores.profiles, None, FixedClock(NOW))
    append(log, [bought(number) for number in range(30)])
    assert [ingest.fold_once() for _ in range(3)] == [2, 4, 8]
    monkeypatch.setattr(loop, "FOLD_SECONDS", 0.0)
    assert [ingest.fold_once() for _ in range(4)] == [8, 4, 2, 2]


def test_more_than_a_store_takes_at_once_is_not_tried_twice(
    log: EventLog, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("FOLD_BATCH", 2), ("FOLD_MOST", 8), ("FOLD_SECONDS", 60.0)):
        monkeypatch.setattr(loop, name, value)
    fold = stores.profiles.fold

    def fold_few(own: Mapping[str, History], identified: Mapping[str, Identified]) -> None:
        if sum(len(history.interactions) for history in own.values()) > 4:
            message = "took too long"
            raise StoreUnavailable(message)
        fold(own, identified)

    monkeypatch.setattr(stores.profiles, "fold", fold_few)
    ingest = Ingest(log, stores.profiles, None, FixedClock(NOW))
    append(log, [bought(number) for number in range(18)])
    for expected in (2, 4, None, 2, 4, None, 2, 4):
        if expected is None:
            with pytest.raises(StoreUnavailable):
                ingest.fold_once()
        else:
            assert ingest.fold_once() == expected
    assert log.depth("profiles") == 0


def test_histories_are_told_apart_by_customer() -> None:
    events = [bought(1), bought(2, BOB), bought(3)]
    assert histories(events) == {
        ADA: history_of([events[0], events[2]]),
        BOB: history_of([events[1]]),
    }


def test_a_robot_reaches_the_lake_and_makes_no_profile(
    ingest: Ingest, log: EventLog, stores: Stores, lake: ListLake
) -> None:
    append(log, [msgspec.structs.replace(bought(1), machine=True)])
    ingest.fold_once()
    ingest.merge_once()
    assert stores.profiles.count() == 0
    assert lake.ids == ["e-1"]


def test_a_visitor_who_turns_out_to_be_a_customer_is_one_in_profiles_and_in_training(
    log: EventLog, stores: Stores, tmp_path: Path
) -> None:
    lake = Lake(str(tmp_path))
    ingest = Ingest(log, stores.profiles, lake, FixedClock(NOW))
    known = msgspec.structs.replace(bought(5, BOB), type=EventType.IDENTIFY, item=None, alias=ADA)
    events = [bought(1), bought(2, BOB), known, bought(3)]
    for event in events:
        append(log, [event])
        ingest.fold_once()
        ingest.merge_once()
    profile = stores.profiles.get(BOB)
    assert stores.profiles.customers() == [BOB]
    assert profile is not None
    assert profile.history == history_of(events)
    engine = open_engine()
    with closing(engine.con):
        read = persons(lake.events(engine), NOW).to_pyarrow()
    assert sorted(read["id"].to_pylist()) == ["e-1", "e-2", "e-3"]
    assert set(read["customer"].to_pylist()) == {BOB}


def test_few_events_wait_for_company_and_many_do_not(
    ingest: Ingest, log: EventLog, lake: ListLake, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MERGE_ENOUGH", 3)
    stop = WaitCounter()
    step = loop.merge_when_due(ingest, stop)
    assert (step(), stop.waits) == (0, [])
    append(log, [bought(1)])
    assert (step(), stop.waits) == (1, [loop.MERGE_SECONDS])
    append(log, [bought(number) for number in range(2, 5)])
    assert (step(), stop.waits) == (3, [loop.MERGE_SECONDS])
    assert lake.merges == 2


def test_what_profiles_have_not_begun_to_read_is_kept(ingest: Ingest, log: EventLog) -> None:
    append(log, [bought(1)])
    loop.merge_when_due(ingest, WaitCounter())()
    assert ingest.fold_once() == 1


def test_what_both_halves_are_past_is_trimmed(ingest: Ingest, log: EventLog) -> None:
    append(log, [bought(1)])
    ingest.fold_once()
    loop.merge_when_due(ingest, WaitCounter())()
    assert log.take("another", 10) == []


class WaitCounter(threading.Event):
    """Waits no time at all, notes how long it was asked to, and stops after so many waits."""

    def __init__(self, until: int = 1_000) -> None:
        super().__init__()
        self.waits: list[float] = []
        self._until = until

    def wait(self, timeout: float | None = None) -> bool:
        self.waits.append(timeout or 0)
        if len(self.waits) >= self._until:
            self.set()
        return self.is_set()


@pytest.mark.parametrize("trouble", [StoreUnavailable("down"), ValueError("a fault")])
def test_trouble_makes_the_half_wait_longer_each_time_and_work_resets_it(
    trouble: Exception,
) -> None:
    stop = WaitCounter(until=11)
    answers: Iterator[int | Exception] = iter([*[trouble] * 8, 1, 0, trouble])

    def step() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    with capture_logs() as logs:
        run_half(step, stop, "profiles")
    assert len(logs) == 9
    assert stop.waits == [0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 5.0, 5.0, 0, loop.POLL_SECONDS, 0.1]


def test_the_running_loop_carries_events_within_a_second_and_ends_when_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "MERGE_SECONDS", 0.1)
    settings = Settings(home=tmp_path)
    stop = threading.Event()
    running = threading.Thread(target=run_ingest, args=(settings, stop))
    log = open_log(settings.resolved_log_url())
    stores = open_stores(settings.resolved_store_url())
    running.start()
    try:
        # The first also waits for the loop to begin; of the others, one may meet a busy disk.
        spent = []
        for number in range(1, 5):
            append(log, [bought(number)])
            began = time.monotonic()
            assert within(10.0, lambda: len(known(stores, ADA).interactions) == number)  # noqa: B023
            spent.append(time.monotonic() - began)
        assert sorted(spent[1:])[1] < 1.0
        lake = Lake(settings.resolved_lake_path())
        assert within(10.0, lambda: lake.exists() and log.depth("lake") == 0)
        assert within(1.0, lambda: log.depth("another") == 0)  # whom trimming does not wait for
    finally:
        stop.set()
        running.join()
        log.close()
        stores.close()
    assert not running.is_alive()


def known(stores: Stores, customer: str) -> History:
    profile = stores.profiles.get(customer)
    return History() if profile is None else profile.history


def within(seconds: float, happens: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            if happens():
                return True
        except Unavailable:
            pass
        time.sleep(0.01)
    return False
