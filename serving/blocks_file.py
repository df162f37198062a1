"""Following the file of blocks: read it again when it changes, and swap its blocks in whole."""

from __future__ import annotations

from pathlib import Path

import structlog

from features.errors import SettingsError
from serving.metrics import Metrics
from serving.ranking.blocks import load_blocks
from serving.snapshot import Current

_log = structlog.get_logger(__name__)
_Stamp = tuple[int, int, int]


class BlocksFollower:
    """Keeps the process on the newest blocks.

    Nothing here ends an answer: a file that can't be used is refused, and the blocks before it
    stay.

    Args:
        path: The TOML file; None for the built-in blocks, which don't change.
        current: Where blocks are put; it has those that the file had at the start.
        metrics: Count refusals.
    """

    def __init__(self, path: Path | None, current: Current, metrics: Metrics) -> None:
        self._path = path
        self._current = current
        self._metrics = metrics
        # What has changed since the blocks in use were read can't be known: the first look reads.
        self._seen: _Stamp | None = None

    def look(self) -> None:
        """Read the file again if it changed. Never raises."""
        if self._path is None:
            return
        try:
            stamp = _stamp(self._path)
            if stamp == self._seen:
                return
            # A file that is refused is not read again until it changes.
            self._seen = stamp
            blocks = load_blocks(self._path)
            if blocks != self._current.snapshot.blocks:
                self._current.use_blocks(blocks)
                _log.info("blocks loaded", path=str(self._path), blocks=list(blocks))
        except SettingsError as error:
            self._metrics.blocks_refused.inc()
            _log.error("blocks refused", path=str(self._path), error=str(error))
        except Exception:  # noqa: BLE001 - whatever is wrong with them, the old ones serve
            self._metrics.blocks_refused.inc()
            _log.exception("blocks refused", path=str(self._path))


def _stamp(path: Path) -> _Stamp | None:
    """What changes with the file; None without one."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
