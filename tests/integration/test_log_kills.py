"""Two ingest loops share a log on a server; killed over and over, they lose and double nothing."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import pytest
from deltalake import DeltaTable

from features.event import Event, EventType
from features.ingest import histories
from features.lake import Lake
from features.profile import Profile
from features.stores.codec import encode_event
from features.stores.opening import open_log, open_stores
from features.tables import event_table
from tests.services import free_port, rabbitmq_server, redis_server

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
TYPES = (EventType.VIEW, EventType.PURCHASE, EventType.EMAIL_CLICK)
KILLS = 4
BATCH = 40

# Leases are short, so that the test need not wait for them.
LOOP = """
import threading
from features import ingest
from features.settings import load_settings, Settings
from features.stores import rabbitmq_log, redis_log

redis_log.LEASE_SECONDS, rabbitmq_log.SHARE_SECONDS, ingest.MERGE_SECONDS = 1.0, 0.3, 0.2
ingest.run_ingest(load_settings(Settings), threading.Event())
"""


def event(number: int) -> Event:
    return Event(
        id=f"e-{number}",
        type=TYPES[number % 3],
        customer=f"ck_{number % 23:032x}",
        occurred_at=NOW - timedelta(seconds=7_001 * number % 90_000),
        item=f"item-{number % 11}",
    )


@contextmanager
def redis_log(folder: Path) -> Iterator[str]:
    with redis_server(
        "--appendonly", "yes", "--appendfsync", "always", "--dir", str(folder)
    ) as url:
        yield url


@contextmanager
def rabbitmq_log(folder: Path) -> Iterator[str]:
    with rabbitmq_server(folder, free_port()) as url:
        yield url


def started(folder: Path, url: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "HOMING_HOME": str(folder), "HOMING_LOG_URL": url}
    with (folder / "output").open("ab") as output:
        return subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-c", LOOP],
            cwd=Path(__file__).parents[2],
            env=environment,
            stdout=output,
            stderr=output,
        )


def ended(loops: Sequence[subprocess.Popen[bytes]]) -> None:
    for loop in loops:
        loop.kill()
        loop.wait()


def within(seconds: float, holds: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


@pytest.mark.parametrize("server", [redis_log, rabbitmq_log])
def test_killed_loops_lose_nothing_and_double_nothing(
    server: Callable[[Path], AbstractContextManager[str]], tmp_path: Path
) -> None:
    random = Random(7)  # noqa: S311 - picks whom to kill, and when
    broker, home = tmp_path / "broker", tmp_path / "home"
    broker.mkdir()
    home.mkdir()
    sent: list[Event] = []
    with ExitStack() as held:
        url = held.enter_context(server(broker))
        log = held.enter_context(closing(open_log(url)))
        loops = [started(home, url) for _ in range(2)]
        held.callback(ended, loops)
        for _ in range(KILLS):
            for _ in range(10):
                batch = [event(len(sent) + number) for number in range(BATCH)]
                log.append([encode_event(one) for one in (*batch, batch[0])])
                sent += batch
                time.sleep(random.uniform(0, 0.2))
            victim = random.randrange(2)
            ended(loops[victim : victim + 1])
            loops[victim] = started(home, url)
        expected = {key: Profile(key, history) for key, history in histories(sent).items()}
        assert within(60, lambda: rows(home) >= len(sent) and profiles(home) == expected), (
            home / "output"
        ).read_text()[-2_000:]
        # What was taken twice may still be on its way.
        assert within(60, lambda: log.depth("lake") == log.depth("profiles") == 0)
    assert profiles(home) == expected
    kept = DeltaTable(Lake(str(home / "lake")).path("events")).to_pyarrow_table()
    table = event_table(sent)
    assert kept.num_rows == table.num_rows
    assert kept.select(table.column_names).sort_by("id") == table.sort_by("id")


def rows(home: Path) -> int:
    """How many events the lake has."""
    lake = Lake(str(home / "lake"))
    return DeltaTable(lake.path("events")).count() if lake.exists() else 0


def profiles(home: Path) -> dict[str, Profile]:
    with closing(open_stores(f"sqlite:///{home / 'profiles.db'}")) as stores:
        return stores.profiles.get_many(stores.profiles.customers())
