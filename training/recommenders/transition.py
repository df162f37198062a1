"""Transitions: what customers buy next, as a ridge regression on what they had done before.

Most item-to-item models learn what stands together in a history. This one learns what follows:
history is cut at several moments, and what was bought in the weeks after each is regressed on the
history X before it, B = (X'X + l I)^-1 X'Y, as SLIT does for sessions (Choi et al., "Session-aware
Linear Item-Item Models for Session-based Recommendation", 2021). So it knows what people come back
to, what leads to what, and what is on the rise.

With X = U S V' and only the `rank` greatest singular values kept, B = V (S / (S² + l)) U'Y: exact
for them, and nothing for the rest, whose S² is small against l::

    score = x In Out',  In = V S / (S² + l),  Out = Y'U
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, vstack

from features.event import EventType
from serving.model.bundle import Bundle
from serving.model.linear import IN, OUT
from serving.model.weighting import SECONDS_A_DAY, Weighting
from training.dataset import Dataset
from training.recommenders.popularity import made_of
from training.recommenders.sparse import Matrix, graph_of, singular_of

if TYPE_CHECKING:
    from optuna import Trial

ALGORITHM: Final = "transition"
BOUGHT: Final = Weighting({EventType.PURCHASE: 1.0}, half_life_days=None)
"""Tells what was bought, whether it came back or not."""

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class TransitionParams:
    """Parameters of transitions.

    Attributes:
        power: On the weights of what the customer has, 0 to 1; 0 asks only whether.
        customer_power: On the number of items of a history and of a purchase after it, which
            divides either.
        ridge: Relative to the mean squared length of a history.
        rank: Singular values that are kept.
        days: Length of the time after a cut; half of all history at the most.
        cuts: How many; the latest is `days` before the end, the others as far apart.
        histories: Cut histories at the most, evenly spread over customers.
        seed: Of the randomised decomposition.
    """

    power: float = 0.5
    customer_power: float = 0.4
    ridge: float = 10.0
    rank: int = 256
    days: float = 56.0
    cuts: int = 3
    histories: int = 100_000
    seed: int = 20170101


def suggest(trial: Trial) -> TransitionParams:
    """Parameters worth trying."""
    return TransitionParams(
        power=trial.suggest_float("power", 0.0, 1.0),
        customer_power=trial.suggest_float("customer_power", 0.0, 0.6),
        ridge=trial.suggest_float("ridge", 0.3, 100.0, log=True),
        rank=trial.suggest_int("rank", 32, 512, log=True),
        days=trial.suggest_float("days", 7.0, 84.0, log=True),
        cuts=trial.suggest_int("cuts", 1, 6),
    )


def fit(dataset: Dataset, params: TransitionParams, created_at: datetime) -> Bundle:
    """The bundle of transitions; it has nothing to say where nobody bought anything after a cut.

    Args:
        dataset: Customers x items.
        params: See there.
        created_at: Aware, UTC.
    """
    before, after = cut_histories(dataset, params)
    taken, given = _regressed(before, after, params)
    return made_of(dataset, ALGORITHM, params, {IN: taken, OUT: given}, created_at)


def cut_histories(dataset: Dataset, params: TransitionParams) -> tuple[Matrix, Matrix]:
    """Histories before the cuts, weighed as of the cut, and what was bought after them.

    Returns:
        (histories, items) each, of customers with something on either side.
    """
    longest = float(dataset.baskets.ages.max(initial=0.0))
    ahead = min(params.days * SECONDS_A_DAY, longest / 2)
    pairs = [_cut(dataset, number * ahead, ahead) for number in range(1, params.cuts + 1)]
    before, after = (csr_array(vstack(side)) for side in zip(*pairs, strict=True))
    count = before.shape[0]
    chosen = np.linspace(0, count - 1, min(count, params.histories)).astype(np.int64)
    return csr_array(before[chosen]), csr_array(after[chosen])


def _cut(dataset: Dataset, ago: float, ahead: float) -> tuple[Matrix, Matrix]:
    """The two sides of one cut, so many seconds ago and followed by so many."""
    baskets = dataset.baskets
    history = baskets.where(baskets.ages >= ago, ago).weights(dataset.weighting)
    bought = baskets.where((baskets.ages < ago) & (baskets.ages >= ago - ahead)).weights(BOUGHT)
    both = np.flatnonzero((np.diff(history.indptr) > 0) & (np.diff(bought.indptr) > 0))
    return csr_array(history[both]), csr_array(bought[both])


def _regressed(before: Matrix, after: Matrix, params: TransitionParams) -> tuple[Floats, Floats]:
    """In and Out, (items, rank) each."""
    histories = graph_of(before, params.power, params.customer_power, 0.0)
    targets = graph_of(after, 0.0, params.customer_power, 0.0)
    rank = min(params.rank, *histories.shape)
    if not rank:
        nothing = np.zeros((before.shape[1], 1), np.float32)
        return nothing, nothing
    left, sizes, right = singular_of(histories, rank, params.seed)
    ridge = params.ridge * float(np.square(histories.data).sum()) / histories.shape[0]
    taken = right * (sizes / (np.square(sizes) + ridge))
    return taken.astype(np.float32), np.asarray(targets.T @ left, np.float32)
