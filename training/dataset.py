"""Events of the lake as of T: the matrix that recommenders are fitted on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
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
from features.persons import persons
from serving.model.basket import KINDS, Baskets, baskets_of_counts
from serving.model.manifest import DataFacts
from serving.model.weighting import Weighting

if TYPE_CHECKING:
    import ibis

MIN_CUSTOMERS = 2
"""What one customer does says nothing of what others will do."""


@dataclass(frozen=True, eq=False)
class Dataset:
    """Customers x items, as of a time.

    Attributes:
        baskets: Every interaction of every customer with these items before that time.
        matrix: Weight of each item for each customer, float32 (customers, items), positive;
            what the baskets weigh.
        customers: Customer key of each row, ascending.
        items: Item id of each column, ascending.
        weighting: How the weights were made.
        data: The data version: as-of time, counts and checksum.
    """

    baskets: Baskets
    matrix: csr_array[Any, Any]
    customers: tuple[str, ...]
    items: tuple[str, ...]
    weighting: Weighting
    data: DataFacts

    def under(self, weighting: Weighting) -> Dataset:
        """The same customers and items, weighed otherwise; a row or column may be empty then."""
        return replace(self, matrix=self.baskets.weights(weighting), weighting=weighting)


def load_dataset(
    events: ibis.Table,
    weighting: Weighting,
    as_of: datetime,
    *,
    lake_version: int | None = None,
) -> Dataset:
    """The matrix of what persons did strictly before `as_of`, under whom they were known to be.

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
    past = persons(events, as_of)
    seen = past.filter(past[c.ITEM].notnull(), past[c.TYPE] != EventType.SLATE_SERVED.value)
    table = seen.select(c.CUSTOMER, c.ITEM, c.TYPE, c.OCCURRED_AT).to_pyarrow()
    customers, rows = _numbered(table.column(c.CUSTOMER))
    items, columns = _numbered(table.column(c.ITEM))
    order = np.argsort(rows, kind="stable")
    ages = np.maximum(as_of.timestamp() - seconds_of(table.column(c.OCCURRED_AT)), 0.0)
    baskets = Baskets(
        np.searchsorted(rows[order], np.arange(len(customers) + 1)),
        columns[order].astype(np.int32),
        _kinds(table.column(c.TYPE))[order],
        ages[order],
        len(items),
    )
    return _compact(baskets, customers, items, weighting, (as_of, lake_version))


def dataset_of(
    bought: csr_array[Any, Any],
    customers: Sequence[str],
    items: Sequence[str],
    weighting: Weighting,
    as_of: datetime,
) -> Dataset:
    """A dataset that did not come from a lake, like a published benchmark split.

    Args:
        bought: How often each customer bought each item, whole numbers, (customers, items).
        customers: Of each row.
        items: Of each column.
        weighting: What a purchase counts.
        as_of: When all of them are taken to have happened.

    Raises:
        NotEnoughData: As `load_dataset`.
    """
    baskets = baskets_of_counts(bought)
    return _compact(baskets, tuple(customers), tuple(items), weighting, (as_of, None))


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


def _kinds(column: pa.ChunkedArray) -> NDArray[np.uint8]:
    """What happened, as baskets number it."""
    encoded = column.combine_chunks().dictionary_encode()
    numbers = [KINDS.index(EventType(name)) for name in encoded.dictionary.to_pylist()]
    indices = encoded.indices.to_numpy(zero_copy_only=False)
    return np.asarray(np.array(numbers, np.uint8)[indices])


def _compact(
    baskets: Baskets,
    customers: tuple[str, ...],
    items: tuple[str, ...],
    weighting: Weighting,
    facts: tuple[datetime, int | None],
) -> Dataset:
    """The dataset without the customers and items that have no cell."""
    as_of, lake_version = facts
    matrix = baskets.weights(weighting)
    here = np.flatnonzero(np.diff(matrix.indptr))
    wanted = np.flatnonzero(np.bincount(matrix.indices, minlength=len(items)))
    events = int(np.count_nonzero(baskets.gains(weighting)))
    if len(here) < MIN_CUSTOMERS:
        message = (
            f"{events} events of {len(here)} customers count before {as_of.isoformat()}: training "
            f"needs at least {MIN_CUSTOMERS} customers; import more history or choose a later time"
        )
        raise NotEnoughData(message)
    baskets = baskets.among(here, wanted)
    matrix = baskets.weights(weighting)
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
    names = tuple(customers[row] for row in here)
    return Dataset(baskets, matrix, names, kept, weighting, data)


def _checksum(matrix: csr_array[Any, Any], items: Sequence[str]) -> str:
    digest = hashlib.sha256()
    for part in (matrix.indptr.astype("<i8"), matrix.indices.astype("<i8"), matrix.data):
        digest.update(part.tobytes())
    for item in items:
        digest.update(item.encode() + b"\0")
    return digest.hexdigest()
