"""The power goes while events come in, over SQLite: what was acknowledged is there afterwards.

`python -m tests.faults.intake.cuts FOLDER REQUESTS CUTS` runs an intake and an ingest loop once and
writes down what they do to their disk; then it builds the disk as a cut leaves it, at many moments,
and starts again on each. It prints `Cuts` as JSON.

Of the lake, whose files are written once and never changed, it is written down which were synced:
others are there after a cut, empty, or not there. (The note that says up to where it is on the disk
does change, and is synced by each change: it is as it was by then.)
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path
from random import Random
from typing import Any, Final, NamedTuple

import httpx
import msgspec
import pyarrow as pa

from features.clock import SystemClock
from features.event import Event
from features.ingest import Ingest
from features.lake import Lake, MergeReport
from features.logs import configure_logs
from features.stores.opening import open_log, open_stores
from serving.bootstrap import build_app, build_parts
from serving.settings import ServeSettings
from tests.faults.intake.forgetful import Journal, Kind, left_by_cut
from tests.faults.intake.outcome import wrong_with
from tests.faults.intake.telling import ENVIRON, Telling
from tests.faults.intake.vfs import written_down
from tests.faults.world import SECRET

NOTE: Final = Path("lake/.events.settled")
CLIENTS: Final = 4
"""Of each kind; what they send at the same moment is kept together."""


class Cuts(msgspec.Struct, frozen=True):
    """What came of it; from `spoilt` on it is 0 where all is well.

    Attributes:
        cuts: How often the power went.
        changes: What was done to the disk, of which any may have been the last.
        syncs: How often it was waited for.
        acknowledged: Events that had been acknowledged before the cut, over all cuts.
        more: Events that were kept though their senders had not been told so yet.
        spoilt: Logs that SQLite finds not to be whole.
        missing: Acknowledged events that were neither in the log nor in the lake.
        wrong: Whatever else `Wrong` says after the loop has run again.
    """

    cuts: int
    changes: int
    syncs: int
    acknowledged: int
    more: int
    spoilt: int
    missing: int
    wrong: int


class Recording(NamedTuple):
    """What an intake and a loop did.

    Attributes:
        home: Where.
        journal: What SQLite did.
        acknowledged: Moment → what was acknowledged then.
        born: Moment → a file of the lake that was not there before it.
        synced: Moment → a file or a folder of the lake that was brought to the disk.
        noted: Moment → what the lake's own note said when it was.
    """

    home: Path
    journal: Journal
    acknowledged: list[tuple[int, Sequence[Event]]]
    born: list[tuple[int, Path]]
    synced: list[tuple[int, Path]]
    noted: list[tuple[int, bytes]]


def recorded(home: Path, requests: int) -> Recording:
    """Take in so many requests of each kind of sender, and carry them on meanwhile."""
    os.environ.update(ENVIRON)
    with written_down(home) as journal:
        recording = Recording(home, journal, [], [], [], [])
        done = threading.Event()
        with _syncs_noted(recording):
            loop = threading.Thread(target=_carry, args=[recording, done])
            loop.start()
            asyncio.run(_take_in(recording, requests))
            done.set()
            loop.join()
    return recording


async def _take_in(recording: Recording, requests: int) -> None:
    settings = ServeSettings(home=recording.home, secret=SECRET, tracking_url="http://127.0.0.1:9")
    parts = build_parts(settings)
    told = Telling(parts.keys.create("shop", ["events"]).token, parts.clock)
    transport = httpx.ASGITransport(build_app(settings, parts))
    async with httpx.AsyncClient(transport=transport, base_url="http://homing") as client:

        async def send(kind: int) -> None:
            tells, size = kinds[kind]
            for _ in range(requests // CLIENTS):
                one = tells([next(numbers[kind]) for _ in range(size)])
                answer = await client.post(one.path, content=one.body, headers=dict(one.headers))
                assert answer.status_code in {200, 202}, answer.text
                recording.acknowledged.append((recording.journal.now(), one.events))

        kinds = (told.by_api, 5), (told.by_sendgrid, 5), (told.by_mailgun, 1)
        numbers = [count() for _ in kinds]
        await asyncio.gather(*(send(kind) for kind in range(len(kinds)) for _ in range(CLIENTS)))
    parts.log.close()
    parts.stores.close()


class _NotedLake(Lake):
    """A lake that notes when its files were made."""

    def __init__(self, root: str, recording: Recording) -> None:
        super().__init__(root)
        self._recording = recording

    def merge_events(self, events: pa.Table) -> MergeReport:
        """See Lake.merge_events."""
        before, known = self._recording.journal.now(), {file for _, file in self._recording.born}
        report = super().merge_events(events)
        found = {file for file in Path(self.root, "events").rglob("*") if file.is_file()}
        # It begins with a note that there is nothing yet, and ends with one of what there is.
        began = max([before, *(at for at, _ in self._recording.noted[:-1])])
        self._recording.born.extend((began, file) for file in found - known)
        return report


def _carry(recording: Recording, done: threading.Event) -> None:
    """What the ingest loop does, one half after the other."""
    lake = _NotedLake(str(recording.home / "lake"), recording)
    with _ingesting(recording.home, lake) as ingest:
        while True:
            passed = ingest.fold_once() + ingest.merge_once()
            ingest.trim()
            if not passed and done.wait(0.01):
                break


@contextmanager
def _ingesting(home: Path, lake: Lake) -> Iterator[Ingest]:
    with (
        closing(open_log(_log_of(home))) as log,
        closing(open_stores(f"sqlite:///{home / 'profiles.db'}")) as stores,
    ):
        yield Ingest(log, stores.profiles, lake, SystemClock())


@contextmanager
def _syncs_noted(recording: Recording) -> Iterator[None]:
    """Note what Python itself brings to the disk, as the lake does."""
    sync = os.fsync

    def noted(fd: Any) -> None:  # noqa: ANN401 - as os.fsync has it
        sync(fd)
        path = Path(f"/proc/self/fd/{fd}").readlink()
        recording.synced.append((recording.journal.now(), path))
        if path.suffix == NOTE.suffix:
            recording.noted.append((recording.journal.now(), path.read_bytes()))

    os.fsync = noted
    try:
        yield
    finally:
        os.fsync = sync


def cut(recording: Recording, moment: int, random: Random, home: Path) -> Cuts:
    """Let the power go at that moment, and start again in an empty folder."""
    files = left_by_cut(recording.journal, moment, random)
    files |= _lake_left(recording, moment, random)
    for path, content in files.items():
        place = home / Path(path).relative_to(recording.home)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content)
    told = [e for at, events in recording.acknowledged if at <= moment for e in events]
    spoilt = _spoilt(home / "events.db")
    lake = Lake(str(home / "lake"))
    with _ingesting(home, lake) as ingest:
        while ingest.fold_once() + ingest.merge_once():
            ingest.trim()
    wrong = wrong_with(home, _log_of(home), told)
    others = wrong.doubled + wrong.altered + wrong.profiles + wrong.letters + wrong.waiting
    return Cuts(1, moment, 0, len(told), wrong.foreign, spoilt, wrong.missing, others)


def _lake_left(recording: Recording, moment: int, random: Random) -> dict[str, bytes]:
    """The lake's files as a cut leaves them."""
    synced = [path for at, path in recording.synced if at <= moment]
    last = {path: place for place, path in enumerate(synced)}
    notes = [content for at, content in recording.noted if at <= moment]
    left = {str(recording.home / NOTE): content for content in notes[-1:]}
    for born, file in recording.born:
        if born > moment:
            continue
        # Its name is safe when its folder was synced after it.
        safe = file in last and last[file] < last.get(file.parent, -1)
        fate = "whole" if safe else random.choice(("whole", "empty", "gone"))
        if fate != "gone":
            left[str(file)] = file.read_bytes() if fate == "whole" else b""
    return left


def _spoilt(path: Path) -> bool:
    """Whether SQLite finds a file not to be whole."""
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]


def _appended(path: Path) -> int:
    """How many entries a log has ever had: as many as were sent, where nothing was sent again."""
    with closing(sqlite3.connect(path)) as connection:
        ((last,),) = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'entries'")
    return int(last)


def _log_of(home: Path) -> str:
    return f"sqlite:///{home / 'events.db'}"


def run_cuts(folder: Path, requests: int, cuts: int, seed: int = 7) -> Cuts:
    """Record once, and cut so often.

    Args:
        folder: Empty.
        requests: Of each kind of sender.
        cuts: At how many moments.
        seed: Of when, and of what is left.
    """
    home = folder / "home"
    home.mkdir()
    recording, random = recorded(home, requests), Random(seed)  # noqa: S311 - picks moments
    sent = [event for _, events in recording.acknowledged for event in events]
    assert not wrong_with(home, _log_of(home), sent)
    assert _appended(home / "events.db") == len(sent)
    last = recording.journal.now()
    found = []
    for number in range(cuts):
        # Half of them right when something was acknowledged: then the least is safe by chance.
        told, _ = random.choice(recording.acknowledged)
        moment = told if number % 2 else random.randrange(last + 1)
        place = folder / f"cut-{number}"
        place.mkdir()
        found.append(cut(recording, moment, random, place))
        if not (found[-1].spoilt or found[-1].missing or found[-1].wrong):
            shutil.rmtree(place)
    return Cuts(
        cuts,
        last,
        sum(change.kind is Kind.SYNCED for change in recording.journal.changes),
        *(sum(getattr(one, name) for one in found) for name in _SUMMED),
    )


_SUMMED: Final = ("acknowledged", "more", "spoilt", "missing", "wrong")


def main() -> None:
    """Run it as the command line says."""
    configure_logs("error")
    folder, requests, cuts = sys.argv[1:]
    found = run_cuts(Path(folder), int(requests), int(cuts))
    sys.stdout.write(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
