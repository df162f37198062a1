"""Shelves: ordered lists of items for answers that know no customer, or only the segment.

`popular` is the bundle's own popularity. `segment:NAME` counts what the segment's customers
interact with, drawn towards everybody's taste as far as the segment is small::

    score(item) = (Σ over the segment's customers of share(item) + PRIOR · share over all) /
                  (customers in the segment + PRIOR)

with share the item's part of a customer's whole weight, so that nobody counts twice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from features.item import Item
from serving.model.bundle import Bundle
from training.dataset import Dataset
from training.segments import SEGMENTS

POPULAR: Final = "popular"
PRIOR: Final = 20.0
"""Customers of average taste that are added to each segment."""
LENGTH: Final = 200
"""Items on a shelf at the most: enough to fill a block after its rules took some away."""


def segment_shelf(name: str) -> str:
    """The name of a segment's shelf."""
    return f"segment:{name}"


def make_shelves(
    bundle: Bundle,
    dataset: Dataset,
    segment_of: Mapping[str, str],
    catalogue: Mapping[str, Item],
    now: datetime,
) -> dict[str, tuple[str, ...]]:
    """All shelves, best items first, without what can't be shown now.

    Args:
        bundle: The champion.
        dataset: Customers × items as of now.
        segment_of: Customer key → segment.
        catalogue: Item id → item.
        now: Aware.
    """
    shown = {item for item, known in catalogue.items() if known.available_at(now)}
    shelves = {POPULAR: _best(bundle.popularity, bundle.items, shown)}
    for name, scores in segment_scores(dataset, segment_of).items():
        shelves[segment_shelf(name)] = _best(scores, dataset.items, shown)
    return shelves


def segment_scores(
    dataset: Dataset, segment_of: Mapping[str, str]
) -> dict[str, NDArray[np.float64]]:
    """Score of each of the dataset's items in each segment, (items,)."""
    weights = np.asarray(dataset.matrix.sum(axis=1), dtype=np.float64)
    shares = diags_array(1 / np.maximum(weights, np.finfo(np.float32).tiny)) @ dataset.matrix
    number = {name: place for place, name in enumerate(SEGMENTS)}
    rows = [number.get(segment_of.get(customer, ""), -1) for customer in dataset.customers]
    known = np.array([(row, column) for column, row in enumerate(rows) if row >= 0], dtype=int)
    places = (known[:, 0], known[:, 1]) if len(known) else (known, known)
    members = csr_array(
        (np.ones(len(known)), places), shape=(len(SEGMENTS), len(dataset.customers))
    )
    sums = (members @ shares).toarray()
    overall = np.asarray(shares.mean(axis=0))
    sizes = np.asarray(members.sum(axis=1))
    return {
        name: (sums[place] + PRIOR * overall) / (sizes[place] + PRIOR)
        for name, place in number.items()
    }


def _best(
    scores: NDArray[np.float32] | NDArray[np.float64], items: Sequence[str], shown: set[str]
) -> tuple[str, ...]:
    found: list[str] = []
    for row in np.argsort(-scores, kind="stable"):
        if items[row] in shown and scores[row] > 0:
            found.append(items[row])
            if len(found) == LENGTH:
                break
    return tuple(found)
