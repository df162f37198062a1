"""A shop whose customers have changed their taste: whoever forgets fast, knows what they want now.

So the best half-life is short, far below the default, and tuning must find that.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from random import Random

from features.event import Event, EventType
from serving.model.weighting import Weighting
from tests.unit.training.samples import AT, UNTIL, purchase, table
from training.dataset import load_dataset
from training.recommenders.item_knn import ItemKnnParams
from training.recommenders.recipe import Recipe
from training.split import load_held_out
from training.tuning.ground import Ground

TASTES = 4
ITEMS = 15
CUSTOMERS = 80

DEFAULT = Recipe("item_knn", ItemKnnParams())
BETTER = Recipe(
    "item_knn",
    ItemKnnParams(scheme="tfidf", neighbours=200, shrink=1.0, damping=0.2, customer_damping=0.2),
    Weighting(half_life_days=9.0),
)
FORGETFUL = Recipe("item_knn", ItemKnnParams(), Weighting(half_life_days=5.0))


def changing() -> Iterator[Event]:
    """Ten purchases of an old taste long ago, two of the new one lately, two more after T."""
    random = Random(3)  # noqa: S311 - a toy's dice
    for customer in range(CUSTOMERS):
        old, new = random.sample(range(TASTES), 2)
        for item in random.sample(range(ITEMS), 10):
            yield purchase(customer, name(old, item), AT - timedelta(days=40 + item))
        for place, item in enumerate(random.sample(range(ITEMS), 4)):
            yield purchase(customer, name(new, item), AT + timedelta(days=3 * place - 6, hours=1))


def name(taste: int, item: int) -> str:
    """The item's id."""
    return f"taste{taste}-{item:02}"


def views() -> Iterator[Event]:
    """What customers looked at, which says nothing."""
    for customer in range(CUSTOMERS):
        yield purchase(customer, name(0, customer % ITEMS), AT - timedelta(days=1), EventType.VIEW)


def changing_ground(*more: Event) -> Ground:
    """The shop before T, and what was bought after it."""
    events = table([*changing(), *more])
    return Ground(
        dataset=load_dataset(events, Weighting(), AT, lake_version=7),
        held_out=load_held_out(events, AT, UNTIL),
        catalogue=None,
        created_at=AT,
    )
