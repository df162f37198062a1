"""What a publish has computed but not delivered: a folder of batches that survives a crash.

The long part of a publish only writes here, so that an interruption leaves every profile as it
was. The short part delivers batch after batch and drops each that is delivered. Whoever comes
after an interruption goes on in the middle of either.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Self

import msgspec

from features.errors import UNDECODABLE, StoreUnavailable
from features.profile import Published

PLAN: Final = "plan.json"
SHELVES: Final = "shelves.msgpack"
BATCH: Final = "batch-{:08d}.msgpack"
FRESH: Final = timedelta(hours=24)
"""A publish that was interrupted longer ago is begun anew: its slates would be stale."""

_batches = msgspec.msgpack.Decoder(dict[str, Published])
_shelves = msgspec.msgpack.Decoder(dict[str, tuple[str, ...]])


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a publish is to write.

    Attributes:
        models: Registered model → version, like `recommender` → `recommender/12`.
        blocks: Digest of the blocks' rules.
        as_of: Features are as of this.
        lake_version: Of the table of events.
        started: When it began, aware.
    """

    models: dict[str, str]
    blocks: str
    as_of: datetime
    lake_version: int
    started: datetime

    def same_work(self, other: Plan) -> bool:
        """Whether what was computed for the other serves this one too."""
        return (self.models, self.blocks) == (other.models, other.blocks) and abs(
            self.started - other.started
        ) < FRESH


class Staging:
    """A publish that is under way, in a folder of its own.

    Args:
        folder: Where it is kept.
        plan: What it is to write.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self.plan = plan

    @classmethod
    def open(cls, folder: Path, plan: Plan) -> tuple[Self, bool]:
        """The staging of this plan, and whether it goes on with an interrupted one.

        What was staged for another plan is dropped.

        Raises:
            StoreUnavailable: The folder can't be written.
        """
        found = read_plan(folder)
        if found is not None and found.same_work(plan):
            return cls(folder, found), True
        with_disk = cls(folder, plan)
        with_disk.drop()
        with_disk._write(PLAN, msgspec.json.encode(plan))
        return with_disk, False

    @property
    def complete(self) -> bool:
        """Whether everything was computed; shelves are staged last."""
        return (self._folder / SHELVES).exists()

    def last_customer(self) -> str:
        """The customer key after which to go on; "" at the start."""
        staged = self._staged()
        return max(_batches.decode(staged[-1].read_bytes())) if staged else ""

    def add(self, batch: Mapping[str, Published]) -> None:
        """Keep a computed batch, whole or not at all.

        Raises:
            StoreUnavailable: The folder can't be written.
        """
        self._write(BATCH.format(len(self._staged())), msgspec.msgpack.encode(batch))

    def finish(self, shelves: Mapping[str, tuple[str, ...]]) -> None:
        """Keep the shelves: from now on it is `complete`.

        Raises:
            StoreUnavailable: The folder can't be written.
        """
        self._write(SHELVES, msgspec.msgpack.encode(shelves))

    def count(self) -> int:
        """How many batches wait for delivery."""
        return len(self._staged())

    def batches(self) -> Iterator[dict[str, Published]]:
        """Each batch that waits; it is dropped when the next one is asked for."""
        for path in self._staged():
            yield _batches.decode(path.read_bytes())
            path.unlink()

    def shelves(self) -> dict[str, tuple[str, ...]]:
        """The staged shelves."""
        return _shelves.decode((self._folder / SHELVES).read_bytes())

    def drop(self) -> None:
        """Forget all of it."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _staged(self) -> list[Path]:
        return sorted(self._folder.glob("batch-*.msgpack"))

    def _write(self, name: str, content: bytes) -> None:
        aside = self._folder / f".{name}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with aside.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            aside.replace(self._folder / name)
        except OSError as error:
            message = f"{self._folder}: can't be written: {error.strerror}; free space there"
            raise StoreUnavailable(message) from error


def read_plan(folder: Path) -> Plan | None:
    """What an interrupted publish was to write; None where there is none, or none of ours."""
    try:
        return msgspec.json.decode((folder / PLAN).read_bytes(), type=Plan)
    except (OSError, *UNDECODABLE):
        return None
