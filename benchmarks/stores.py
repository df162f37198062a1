"""How fast the embedded stores are: `python -m benchmarks.stores --json`.

The bars are the bulk write of profiles and the point read of one, both on SQLite with profiles of
50 interactions, 30 owned items, 12 features and three stored slates of 8. Beside each stands the
same work by bare sqlite3 without our store, so that the figure can be judged on any machine.
"""

from __future__ import annotations

import sqlite3
import tempfile
import threading
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

from benchmarks.figures import Figure, at_least, at_most, main, median_of, plain, seconds
from features.event import Event, EventType
from features.profile import MAX_INTERACTIONS, History, Interaction, Profile, Published, StoredSlate
from features.profile_codec import encode
from features.stores.codec import encode_event
from features.stores.opening import Stores, open_log, open_stores

PROFILES: Final = 20_000
READS: Final = 5_000
TYPICAL: Final = 50
"""Interactions of a profile."""
WRITE_BAR: Final = 20_000
READ_BAR: Final = 50
THREADS: Final = 32
APPENDS: Final = 50
"""Of one event each, by each thread."""


def profile(interactions: int, random: Random) -> Profile:
    """A profile with so many interactions, the same for the same random state."""
    start = 1_700_000_000
    done = tuple(
        Interaction(
            start + 3_600 * step,
            random.getrandbits(64),
            f"{random.randrange(70_000)}",
            EventType.PURCHASE if step % 5 < 3 else EventType.VIEW,  # noqa: PLR2004 - three fifths
        )
        for step in range(interactions)
    )
    bought = {one.item: one.at for one in done if one.type is EventType.PURCHASE}
    items = [one.item for one in done]
    published = Published(
        at=start,
        segment="loyal",
        features={f"feature_{step}": random.random() for step in range(12)},
        scores={"churn": random.random()},
        bands={"churn": "low"},
        slates={
            block: StoredSlate(tuple(random.choices(items, k=8)), "recommender/12")
            for block in ("hero", "cross_sell", "buy_again")
        },
        models={"recommender": "12", "churn": "3"},
    )
    key = f"ck_{random.getrandbits(128):032x}"
    return Profile(key, History(done, bought, {}, {EventType.PURCHASE: start}), published)


def bulk_write(profiles: Sequence[Profile]) -> float:
    """Profiles a second into a new file, until all are durable."""
    with tempfile.TemporaryDirectory() as folder:
        stores = open_stores(f"sqlite:///{folder}/profiles.db")
        with closing(stores):
            stores.profiles.ping()
            return len(profiles) / seconds(lambda: stores.profiles.put_many(profiles))


def bare_write(profiles: Sequence[Profile]) -> float:
    """The same rows a second by bare sqlite3, encoded beforehand, in one transaction."""
    rows = sorted((p.customer, encode(p.history), encode(p.published)) for p in profiles)
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(sqlite3.connect(Path(folder, "bare.db"), isolation_level=None)) as bare,
    ):
        bare.execute("PRAGMA journal_mode = WAL")
        bare.execute("CREATE TABLE profiles (customer TEXT PRIMARY KEY, history, published)")

        def write() -> None:
            bare.execute("BEGIN")
            bare.executemany("INSERT INTO profiles VALUES (?, ?, ?)", rows)
            bare.execute("COMMIT")

        return len(rows) / seconds(write)


def point_read(stores: Stores, keys: Sequence[str]) -> float:
    """Microseconds to read and decode one profile, in random order."""

    def read() -> None:
        for key in keys:
            stores.profiles.get(key)

    return 1e6 * seconds(read) / len(keys)


def bare_read(path: Path, keys: Sequence[str]) -> float:
    """Microseconds to fetch the same row by bare sqlite3, not decoded."""
    with closing(sqlite3.connect(path, isolation_level=None)) as bare:

        def read() -> None:
            for key in keys:
                bare.execute("SELECT * FROM profiles WHERE customer = ?", (key,)).fetchone()

        read()
        return 1e6 * seconds(read) / len(keys)


def append_events(threads: int) -> float:
    """Events a second into the log by so many threads, each event durable before the next."""
    body = encode_event(
        Event(
            id="an-event-with-an-id-of-this-length",
            type=EventType.PURCHASE,
            customer="ck_" + "a" * 32,
            occurred_at=datetime(2026, 1, 1, tzinfo=UTC),
            item="12345",
        )
    )
    with tempfile.TemporaryDirectory() as folder, closing(open_log(f"sqlite:///{folder}/l")) as log:
        log.append([body])

        def append() -> None:
            for _ in range(APPENDS):
                log.append([body])

        def append_all() -> None:
            running = [threading.Thread(target=append) for _ in range(threads)]
            for thread in running:
                thread.start()
            for thread in running:
                thread.join()

        return threads * APPENDS / seconds(append_all)


def reads(profiles: Sequence[Profile]) -> tuple[float, float]:
    """Microseconds of a point read by the store and by bare sqlite3."""
    random = Random(1)  # noqa: S311 - picks customers
    keys = [one.customer for one in random.choices(profiles, k=READS)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "profiles.db")
        with closing(open_stores(f"sqlite:///{path}")) as stores:
            stores.profiles.put_many(profiles)
            point_read(stores, keys)
            ours = median_of(lambda: point_read(stores, keys))
            return ours, median_of(lambda: bare_read(path, keys))


def measure() -> list[Figure]:
    """All figures."""
    random = Random(7)  # noqa: S311 - makes profiles
    typical = [profile(TYPICAL, random) for _ in range(PROFILES)]
    longest = [profile(MAX_INTERACTIONS, random) for _ in range(PROFILES // 20)]
    written = median_of(lambda: bulk_write(typical))
    bare = median_of(lambda: bare_write(typical))
    read, bare_typical = reads(typical)
    read_longest, _ = reads(longest)
    many = median_of(lambda: append_events(THREADS))
    return [
        at_least("sqlite bulk write", written, "profiles/s", WRITE_BAR),
        plain("sqlite bulk write, of bare sqlite3", written / bare, "ratio"),
        at_most("sqlite point read", read, "us", READ_BAR),
        plain("sqlite point read, of bare sqlite3", read / bare_typical, "ratio"),
        plain(f"sqlite point read, {MAX_INTERACTIONS} interactions", read_longest, "us"),
        plain(f"event log, {THREADS} threads", many, "events/s"),
        plain("event log, group commit over one thread", many / append_events(1), "ratio"),
    ]


if __name__ == "__main__":
    main("stores", measure)
