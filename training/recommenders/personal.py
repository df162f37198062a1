"""Personal frequency with recency: what a customer bought often and lately, again.

The strongest plain model where people buy the same things over and over (Hu et al., "Modeling
Personalized Item Frequency Information for Next-basket Recommendation", 2020; Faggioli et al.,
"Recency Aware Collaborative Filtering for Next Basket Recommendation", 2020). Its recency is the
weighting's half-life. What it learns from all customers is how much each item is one that people
come back to: a customer who bought milk once will again, who bought a frying pan will not.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, diags_array

from serving.model.basket import PURCHASE
from serving.model.bundle import Bundle
from training.dataset import Dataset
from training.recommenders.popularity import made_of
from training.recommenders.sparse import neighbour_arrays

if TYPE_CHECKING:
    from optuna import Trial

ALGORITHM: Final = "personal"
SECONDS_A_DAY: Final = 86_400.0


@dataclass(frozen=True)
class PersonalParams:
    """Parameters of personal frequency.

    Attributes:
        power: On the weight of what the customer has, 0 to 1.
        prior: Buyers with the average rate of coming back that are added to each item's own.
        loyalty: Power on an item's rate of coming back; 0 leaves it out.
    """

    power: float = 0.75
    prior: float = 10.0
    loyalty: float = 0.5


def suggest(trial: Trial) -> PersonalParams:
    """Parameters worth trying."""
    return PersonalParams(
        power=trial.suggest_float("power", 0.25, 1.0),
        prior=trial.suggest_float("prior", 1.0, 100.0, log=True),
        loyalty=trial.suggest_float("loyalty", 0.0, 1.5),
    )


def fit(dataset: Dataset, params: PersonalParams, created_at: datetime) -> Bundle:
    """The bundle of personal frequency: popularity, and one number an item.

    Args:
        dataset: Customers x items.
        params: See there.
        created_at: Aware, UTC.
    """
    gains = return_rates(dataset, params.prior) ** params.loyalty
    arrays = neighbour_arrays(csr_array(diags_array(gains)))
    return made_of(dataset, ALGORITHM, params, arrays, created_at)


def return_rates(dataset: Dataset, prior: float) -> NDArray[np.float64]:
    """The share of each item's buyers who bought it on another day again, smoothed, (items,).

    Args:
        dataset: Customers x items.
        prior: Buyers of the average rate that are added to each item's own.
    """
    baskets = dataset.baskets
    bought = baskets.kinds == PURCHASE
    days = (baskets.ages[bought] // SECONDS_A_DAY).astype(np.int64)
    cells = baskets.customers[bought] * baskets.items + baskets.rows[bought]
    order = np.lexsort((days, cells))
    cells, days = cells[order], days[order]
    first = np.diff(cells, prepend=-1) != 0
    another = ~first & (np.diff(days, prepend=-1) != 0)
    # Each buyer counts once, however often he came back.
    places = np.cumsum(first) - 1
    came_back = np.bincount(places, another, minlength=int(first.sum())) > 0
    items = cells[first] % max(baskets.items, 1)
    buyers = np.bincount(items, minlength=baskets.items)
    back = np.bincount(items, came_back, minlength=baskets.items)
    overall = (back.sum() + 1.0) / (buyers.sum() + 2.0)
    rates: NDArray[np.float64] = (back + prior * overall) / (buyers + prior)
    return rates
