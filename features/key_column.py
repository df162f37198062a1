"""Customer keys for whole columns of outside ids, each made once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from features.errors import HomingError
from features.identity import CustomerKeys

REMEMBERED: Final = 1_000_000
"""Outside ids; in memory alone, for they name persons."""
_NONE: Final = pa.array([], pa.string())


class KeyColumns:
    """Makes keys, and remembers them: a look at a column is a tenth of what Python takes for each.

    Args:
        keys: Makes a key.
    """

    def __init__(self, keys: CustomerKeys) -> None:
        self._keys = keys
        self._outside = self._made = _NONE

    def of(self, outside: pa.Array) -> pa.Array:
        """The key of each id, in order; null for what can't be one.

        Args:
            outside: Text without nulls.
        """
        places = pc.index_in(outside, value_set=self._outside)
        if places.null_count:
            if len(self._outside) > REMEMBERED:
                self._outside = self._made = _NONE
                return self.of(outside)
            fresh = pc.unique(outside.filter(pc.is_null(places)))
            made = pa.array(self._resolved(fresh.to_pylist()), pa.string())
            self._outside = pa.concat_arrays([self._outside, fresh])
            self._made = pa.concat_arrays([self._made, made])
            places = pc.index_in(outside, value_set=self._outside)
        return self._made.take(places)

    def _resolved(self, outside: Iterable[str]) -> Iterator[str | None]:
        for one in outside:
            try:
                yield self._keys.resolve(one)
            except HomingError:
                yield None
