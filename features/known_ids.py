"""Which ids the files of a table hold, remembered from one insertion to the next.

What a file of the lake holds never changes, so each is read once: of every id 64 bits are kept, in
order. An id whose bits are in none of the files is in none of them, and that is what nearly all
ids of live events are. For the others the file itself is read again, for two ids may share bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from features import columns as c

MOST_IDS: Final = 16_000_000
"""That are remembered, 8 bytes each: first of the files that are looked into. What is beyond is
read each time."""
ROWS: Final = 65_536
"""That are read at once."""

Digests = NDArray[np.int64]


class KnownIds:
    """Ids by file. One insertion at a time asks."""

    def __init__(self) -> None:
        self._files: dict[str, Digests] = {}

    def among(self, ids: pa.Array, files: Mapping[str, bool]) -> NDArray[np.bool_]:
        """Which of these ids are in files.

        Args:
            ids: Text.
            files: Every live file of the table → whether it is looked into.

        Returns:
            Shape (ids,).

        Raises:
            OSError: A file can't be read.
        """
        self._files = {path: one for path, one in self._files.items() if path in files}
        digests = _digests([ids])
        order = np.argsort(digests)  # those that are searched for in order are found sooner
        digests = digests[order]
        known = np.zeros(len(ids), np.bool_)
        for path in (path for path, wanted in files.items() if wanted):
            maybe = order[_are_in(digests, self._of(path, files))]
            if len(maybe):
                asked = ids.take(pa.array(maybe))
                for some in _read(path):
                    known[maybe] |= pc.is_in(asked, value_set=some).to_numpy(zero_copy_only=False)
        return known

    def _of(self, path: str, files: Mapping[str, bool]) -> Digests:
        digests = self._files.get(path)
        if digests is None:
            digests = np.sort(_digests(_read(path)))
            if not self._has_room(digests):  # days that are long gone give way
                self._files = {name: one for name, one in self._files.items() if files[name]}
            if self._has_room(digests):
                self._files[path] = digests
        return digests

    def _has_room(self, digests: Digests) -> bool:
        return sum(map(len, self._files.values())) + len(digests) <= MOST_IDS


def _read(path: str) -> Iterable[pa.Array]:
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(ROWS, columns=[c.ID]):
            yield batch.column(0).cast(pa.string())


def _digests(parts: Iterable[pa.Array]) -> Digests:
    """Of this process alone: Python hashes text under a key that each draws anew."""
    found = [np.fromiter(map(hash, part.to_pylist()), np.int64, len(part)) for part in parts]
    return np.concatenate(found) if found else np.empty(0, np.int64)


def _are_in(digests: Digests, ordered: Digests) -> NDArray[np.bool_]:
    if not len(ordered):
        return np.zeros(len(digests), np.bool_)
    places = np.searchsorted(ordered, digests)
    return np.equal(ordered[np.minimum(places, len(ordered) - 1)], digests)
