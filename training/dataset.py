"""Events of the lake as of T: the matrix that recommenders are fitted on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy.sparse import csr_array

from features import columns as c
from features.errors import NotEnoughData
from features.event import EventType
from serving.model.manifest import DataFacts
from serving.model.weighting import NEGLIGIBLE, Weighting

if TYPE_CHECKING:
    import ibis

MIN_CUSTOMERS = 2
"""What one customer does says nothing of what others will do."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Customers x items, as of a time.

    Attributes:
        matrix: Weight of each item for each customer, float32 (customers, items), positive;
            exactly what `basket_of` gives for the whole history.
        customers: Customer key of each row, ascending.
        items: Item id of each column, ascending.
        weighting: How the weights were made.
        data: The data version: as-of time, counts and checksum.
    """

    matrix: csr_array[Any, Any]
    customers: tuple[str, ...]
    items: tuple[str, ...]
    weighting: Weighting
    data: DataFacts


def load_dataset(
    events: ibis.Table,
    weighting: Weighting,
    as_of: datetime,
    *,
    lake_version: int | None = None,
) -> Dataset:
    """The matrix of all events strictly before `as_of`.

    Args:
        events: The lake's events (`Lake.events(con, version)`), on DuckDB.
        weighting: What each event counts.
        as_of: T, aware.
        lake_version: Of those events; goes into the data version.

    Raises:
        NotEnoughData: No event before T carries a weight, or they are of one customer only; the
            message counts them.
    """
    # A slate that was served is no doing of the customer's: histories leave it out too.
    counted = [t for t, gain in weighting.types.items() if gain and t != EventType.SLATE_SERVED]
    seen = events.filter(
        events[c.OCCURRED_AT] < as_of, events[c.ITEM].notnull(), events[c.TYPE].isin(counted)
    )
    table = seen.select(c.CUSTOMER, c.ITEM, c.TYPE, c.OCCURRED_AT).to_pyarrow()
    customers, rows = _numbered(table.column(c.CUSTOMER))
    items, columns = _numbered(table.column(c.ITEM))
    weights = _weights(table, weighting, as_of)
    matrix = _summed(rows, columns, weights, shape=(len(customers), len(items)))
    return _compact(matrix, customers, items, weighting, (as_of, lake_version, table.num_rows))


def dataset_of(
    matrix: csr_array[Any, Any],
    customers: Sequence[str],
    items: Sequence[str],
    weighting: Weighting,
    as_of: datetime,
) -> Dataset:
    """A dataset from a matrix that did not come from a lake, like a published benchmark split.

    Raises:
        NotEnoughData: As `load_dataset`.
    """
    facts = (as_of, None, int(matrix.nnz))
    return _compact(csr_array(matrix), tuple(customers), tuple(items), weighting, facts)


def seconds_of(moments: pa.ChunkedArray) -> NDArray[np.int64]:
    """Whole seconds since 1970 of a column of moments, as histories keep them."""
    microseconds = pc.cast(moments, pa.timestamp("us")).cast(pa.int64())
    seconds: NDArray[np.int64] = microseconds.to_numpy() // 1_000_000
    return seconds


def _numbered(column: pa.ChunkedArray) -> tuple[tuple[str, ...], NDArray[np.int64]]:
    """The distinct values in their order, and the place of each row's value among them."""
    encoded = column.combine_chunks().dictionary_encode()
    values = np.array(encoded.dictionary.to_pylist(), dtype=object)
    order = np.argsort(values, kind="stable")
    places = np.empty(len(order), np.int64)
    places[order] = np.arange(len(order))
    return tuple(values[order]), places[encoded.indices.to_numpy(zero_copy_only=False)]


def _weights(table: pa.Table, weighting: Weighting, as_of: datetime) -> NDArray[np.float64]:
    """What each event weighs as of T: the formula of `serving.model.weighting`, vectorised."""
    types = table.column(c.TYPE).combine_chunks().dictionary_encode()
    gains = np.array([weighting.types[EventType(t)] for t in types.dictionary.to_pylist()], float)
    ages = np.maximum(as_of.timestamp() - seconds_of(table.column(c.OCCURRED_AT)), 0.0)
    faded: NDArray[np.float64] = gains[types.indices.to_numpy()] * np.exp2(
        -weighting.decay_per_second() * ages
    )
    return faded


def _summed(
    rows: NDArray[np.int64],
    columns: NDArray[np.int64],
    weights: NDArray[np.float64],
    *,
    shape: tuple[int, int],
) -> csr_array[Any, Any]:
    """One cell for each customer and item; the order of events makes no difference to a bit."""
    order = np.lexsort((weights, columns, rows))
    cells = (rows * shape[1] + columns)[order]
    starts = np.flatnonzero(np.diff(cells, prepend=-1))
    sums = np.add.reduceat(weights[order], starts) if len(cells) else weights
    kept = sums > NEGLIGIBLE
    cells = cells[starts][kept]
    parts = sums[kept].astype(np.float32), (cells // max(shape[1], 1), cells % max(shape[1], 1))
    return csr_array(parts, shape=shape)


def _compact(
    matrix: csr_array[Any, Any],
    customers: tuple[str, ...],
    items: tuple[str, ...],
    weighting: Weighting,
    facts: tuple[datetime, int | None, int],
) -> Dataset:
    """The dataset without the customers and items that have no cell."""
    as_of, lake_version, events = facts
    here = np.flatnonzero(np.diff(matrix.indptr))
    wanted = np.flatnonzero(np.bincount(matrix.indices, minlength=len(items)))
    if len(here) < MIN_CUSTOMERS:
        message = (
            f"{events} events of {len(here)} customers count before {as_of.isoformat()}: training "
            f"needs at least {MIN_CUSTOMERS} customers; import more history or choose a later time"
        )
        raise NotEnoughData(message)
    matrix = csr_array(matrix[here][:, wanted], dtype=np.float32)
    matrix.sort_indices()
    kept = tuple(items[column] for column in wanted)
    data = DataFacts(
        as_of=as_of,
        lake_version=lake_version,
        events=events,
        customers=len(here),
        items=len(wanted),
        interactions=int(matrix.nnz),
        checksum=_checksum(matrix, kept),
    )
    return Dataset(matrix, tuple(customers[row] for row in here), kept, weighting, data)


def _checksum(matrix: csr_array[Any, Any], items: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for part in (matrix.indptr.astype("<i8"), matrix.indices.astype("<i8"), matrix.data):
        digest.update(part.tobytes())
    for item in items:
        digest.update(item.encode() + b"\0")
    return digest.hexdigest()
