"""Events of the lake as of T: the matrix that recommenders are fitted on, and the held-out time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import ibis
from scipy.sparse import csr_array

from features.profile import History
from serving.model.manifest import DataFacts
from serving.model.weighting import Weighting


@dataclass(frozen=True, eq=False)
class Dataset:
    """Customers × items, as of a time.

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


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Customers with history before T and a target after it: what models are judged on.

    Attributes:
        at: T, aware.
        until: T + H, aware.
        customers: Customer keys, ascending.
        histories: What each did strictly before T, folded as profiles are.
        targets: Items that each bought in [T, T + H).
    """

    at: datetime
    until: datetime
    customers: tuple[str, ...]
    histories: tuple[History, ...]
    targets: tuple[frozenset[str], ...]


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
    raise NotImplementedError


def load_histories(
    events: ibis.Table, as_of: datetime, customers: ibis.Table | None = None
) -> dict[str, History]:
    """What each customer did strictly before `as_of`, folded as profiles are.

    Args:
        events: The lake's events.
        as_of: T, aware.
        customers: Only those in its column `customer`; everybody when None.
    """
    raise NotImplementedError


def load_held_out(events: ibis.Table, at: datetime, until: datetime) -> HeldOut:
    """Those who did something before `at` and bought something in [at, until).

    Raises:
        NotEnoughData: Nobody did both, or one customer only; the message counts them.
    """
    raise NotImplementedError
