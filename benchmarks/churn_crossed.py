"""How well churn could be told at the best: by models that know what came in the same weeks.

Each customer is told of by a model that learnt from what came of the other customers at that very
time. No shop can do that: there is neither season nor drift between the two. What a model of
earlier time lacks to it is about what could be won by knowing those, from the same features.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from training.churn.fit import BoostingParams, fit_blend
from training.churn.lessons import Source
from training.churn.snapshots import Snapshot

FOLDS: Final = 5


def crossed(asked: Snapshot, source: Source) -> NDArray[np.float64]:
    """The probability of each customer by a model of the others, (customers,)."""
    said = np.empty(len(asked.churned))
    rows = np.arange(len(said))
    for number, (held, others) in enumerate(folds(asked)):
        calibrated, learnt = next(folds(others))
        model = fit_blend([calibrated, learnt], BoostingParams(), source, asked.at)
        said[rows % FOLDS == number] = model.probability(held.features)
    return said


def folds(snapshot: Snapshot) -> Iterator[tuple[Snapshot, Snapshot]]:
    """Each fifth of the customers, and the rest."""
    fold = np.arange(len(snapshot.churned)) % FOLDS
    for number in range(FOLDS):
        yield _part(snapshot, fold == number), _part(snapshot, fold != number)


def _part(snapshot: Snapshot, rows: NDArray[np.bool_]) -> Snapshot:
    return replace(
        snapshot,
        customers=tuple(np.array(snapshot.customers)[rows]),
        features={name: column[rows] for name, column in snapshot.features.items()},
        churned=snapshot.churned[rows],
    )
