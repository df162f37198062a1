"""Following overrides: obey them as soon as they change, and keep a copy on local disk.

Apart from the items: a catalogue of many items takes seconds to read, and a ban must not wait.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec
import structlog

from features.clock import Clock
from features.errors import HomingError, InvalidArgument, Problem, StoreUnavailable, shorten
from features.event import MAX_PROBLEMS
from features.override import Override
from features.stores.codec import decode_overrides, encode_overrides
from features.stores.ports import Catalogue
from serving.files import write_atomically
from serving.metrics import Metrics
from serving.ranking.blocks import Block
from serving.ranking.overrides import Overrides
from serving.snapshot import Current

_log = structlog.get_logger(__name__)


class OverrideFollower:
    """Keeps the process under the newest overrides.

    Args:
        catalogue: Where they are kept.
        current: Is told of them.
        path: The copy on local disk.
        clock: Tells which have ended.
        metrics: Count what nobody foresaw.
    """

    def __init__(
        self, catalogue: Catalogue, current: Current, path: Path, clock: Clock, metrics: Metrics
    ) -> None:
        self._catalogue = catalogue
        self._current = current
        self._path = path
        self._clock = clock
        self._metrics = metrics
        self._lost = False
        # What was read before a change must not replace what shows the change.
        self._changing = threading.Lock()

    def load_local(self) -> bool:
        """Start under the copy on local disk; whether there was one."""
        try:
            kept = decode_overrides(self._path, self._path.read_bytes())
        except (OSError, StoreUnavailable):
            return False
        # Of whatever version: the store's are read at the first chance.
        self._current.use_overrides(Overrides(kept))
        return True

    def look(self) -> None:
        """Read the overrides again if they changed. Never raises."""
        try:
            if self._catalogue.overrides_version() != self._current.snapshot.overrides.version:
                with self._changing:
                    self._take()
        except HomingError as error:
            # Whoever follows the catalogue asks the same store, and tells that it is down.
            _log.debug("overrides not read", error=str(error))
        except Exception as error:  # noqa: BLE001 - those that are known stay in force
            self._metrics.internal.inc()
            _log.warning("overrides not read", error=str(error))

    def kept(self) -> tuple[Override, ...]:
        """All that are kept and have not ended.

        Raises:
            StoreUnavailable: The catalogue does not answer.
        """
        now = self._clock.now()
        kept = self._catalogue.overrides().overrides
        return tuple(override for override in kept if not override.ended(now))

    def put(self, overrides: Sequence[Override]) -> int:
        """Add or replace some; this process obeys them on return. Returns how many.

        Raises:
            InvalidArgument: A block or an item is not known; nothing was kept.
            TooLarge: There would be too many.
            StoreUnavailable: The catalogue can't be written.
        """
        check_scopes(overrides, self._catalogue, self._current.snapshot.blocks)
        with self._changing:
            self._catalogue.put_overrides(overrides, self._clock.now())
            self._take()
        return len(overrides)

    def drop(self, name: str) -> bool:
        """Drop the one of this id; whether there was one.

        Raises:
            StoreUnavailable: The catalogue can't be written.
        """
        with self._changing:
            dropped = self._catalogue.drop_overrides([name])
            self._take()
        return dropped > 0

    def _take(self) -> None:
        version, kept = self._catalogue.overrides()
        # Where overrides were put or dropped, versions are beyond the first.
        lost = version == 0 and len(self._current.snapshot.overrides.all) > 0
        if lost and not self._lost:
            _log.error("the store has lost the overrides, obeying those known: put them again")
        self._lost = lost
        if lost:
            return
        self._current.use_overrides(Overrides(kept, version))
        try:
            write_atomically(self._path, encode_overrides(kept))
        except OSError as error:
            _log.warning("overrides not kept on disk", path=str(self._path), error=str(error))


def check_scopes(
    overrides: Sequence[Override], catalogue: Catalogue, blocks: Mapping[str, Block]
) -> None:
    """Whether these name only blocks and items that there are: a ban with a slip bans nothing.

    Args:
        overrides: As they were given.
        catalogue: Knows items.
        blocks: By name; their static items are known too.

    Raises:
        InvalidArgument: The first that are not known.
        StoreUnavailable: The catalogue does not answer.
    """
    known = {item.id for block in blocks.values() for item in block.items}
    known |= catalogue.get_many(sorted({override.item for override in overrides} - known)).keys()
    problems = [
        msgspec.structs.replace(problem, index=index if len(overrides) > 1 else None)
        for index, override in enumerate(overrides)
        if (problem := _unknown(override, known, blocks)) is not None
    ]
    if problems:
        raise InvalidArgument(problems[:MAX_PROBLEMS])


def _unknown(override: Override, items: set[str], blocks: Mapping[str, Block]) -> Problem | None:
    if override.item not in items:
        field, reason, cure = "item", "no such item", "see its id, or put it with PUT /v1/items"
    elif override.block is not None and override.block not in blocks:
        field, reason, cure = "block", "no such block", f"choose among {', '.join(blocks)}"
    else:
        return None
    value = shorten(getattr(override, field))
    return Problem(index=None, field=field, value=value, reason=reason, cure=cure)
