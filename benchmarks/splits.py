"""The published splits, Gowalla and Amazon-Electronics, and the recipes that are fitted on them.

Gowalla: SNAP's check-ins as LightGCN split them, by way of jindeok/Turbo-CF. Amazon-Electronics:
McAuley's reviews as UltraGCN split them (AmazonElectronics_m1). All items are ranked, what was seen
is left out, and every user with a test item counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import coo_array, csr_array

from serving.model.bundle import Bundle
from serving.model.manifest import Say
from serving.model.weighting import UNFADING
from training.dataset import Dataset, dataset_of
from training.evaluate import EXPLORE, Evaluation, evaluate, question_blocks
from training.heldout import HeldOut, held_out_of
from training.recommenders.als import AlsParams
from training.recommenders.blend import Blend, Ingredient, blend_of
from training.recommenders.ease import EaseParams
from training.recommenders.graph_filter import GraphFilterParams
from training.recommenders.item_knn import ItemKnnParams
from training.recommenders.recipe import Recipe
from training.recommenders.sparse import Matrix, customers_of, powers

GOWALLA: Final = "gowalla"
AMAZON: Final = "amazon-electronics"
AT: Final = datetime(2010, 10, 1, tzinfo=UTC)
"""When all of it is taken to have happened; the splits have no times."""

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


@dataclass(frozen=True)
class Cut:
    """How a training part is cut in two, to choose on what the test part shall judge.

    Attributes:
        share: Of every user's items, held out.
        popularity_power: An item with twice the users is held out twice to this power as likely
            as another of the same user; 0 is at random.
    """

    share: float
    popularity_power: float = 0.0


CUTS: Final[Mapping[str, Cut]] = {
    GOWALLA: Cut(share=0.25, popularity_power=0.22),
    AMAZON: Cut(share=0.12),
}
"""As many items a user as the test part has. Gowalla's test part is no random one: popularity, of
which Recall@20 .0416 is published, reaches .025 on what a random cut holds out and .043 here."""


def four(
    smooth: GraphFilterParams,
    regressions: EaseParams,
    nearest: ItemKnnParams,
    factors: AlsParams,
    says: tuple[float, float, float, float],
) -> Blend:
    """The blend of four item-side models that differ most in what they see.

    Args:
        smooth: The smooth part of the graph.
        regressions: Of each item on its nearest.
        nearest: Neighbours.
        factors: Of items.
        says: What each of these counts, in this order.
    """
    parts = (
        ("graph_filter", smooth),
        ("ease", regressions),
        ("item_knn", nearest),
        ("als", factors),
    )
    return blend_of(
        [
            Ingredient(Recipe(algorithm, params, UNFADING), Say(say))
            for (algorithm, params), say in zip(parts, says, strict=True)
        ]
    )


NEAREST: Final = ItemKnnParams(
    neighbours=300, shrink=0.0, damping=0.0, customer_damping=0.3, popularity_power=0.2
)
RECIPES: Final[Mapping[str, Blend]] = {
    GOWALLA: four(
        GraphFilterParams(rank=512, popularity_power=0.65),
        EaseParams(regularization=6.5, neighbours=50, popularity_power=0.5),
        replace(NEAREST, popularity_power=0.35),
        AlsParams(factors=256, alpha=10.0, regularization=10.0, frequency=0.5, iterations=5),
        says=(1.0, 0.5, 0.2, 0.7),
    ),
    AMAZON: four(
        GraphFilterParams(rank=8),
        EaseParams(regularization=8.0),
        NEAREST,
        AlsParams(factors=64, alpha=4.0, regularization=20.0, frequency=0.5, iterations=10),
        says=(1.0, 0.5, 0.4, 0.3),
    ),
}
"""Chosen on cuts of the training parts (`CUTS`), two of Gowalla's and four of Amazon's, where
`python -m benchmarks.recommenders_stages cut DATA SPLIT SEED` scores them."""


def load(folder: Path) -> Split:
    """A split as it was published.

    Args:
        folder: Holds `train.parquet` and `test.parquet`, with columns `user` and `item`.
    """
    train, test = (pq.read_table(folder / f"{part}.parquet") for part in ("train", "test"))
    ends = [max(int(np.max(part[name])) for part in (train, test)) for name in ("user", "item")]
    customers, items = ([f"{number:05}" for number in range(end + 1)] for end in ends)
    shape = (len(customers), len(items))
    return _split(_matrix(train, shape), _matrix(test, shape), customers, items)


def cut(dataset: Dataset, how: Cut, seed: int) -> Split:
    """A training part cut in two; its own test part is not looked at.

    Args:
        dataset: The training part.
        how: See there.
        seed: Of the draw.
    """
    matrix = dataset.matrix
    counts = np.diff(matrix.indptr)
    users = np.repeat(np.arange(len(counts)), counts)
    # The earliest of clocks that run as fast as the chances are: a draw without replacement.
    clocks = np.random.default_rng(seed).exponential(size=matrix.nnz)
    clocks /= powers(customers_of(matrix), how.popularity_power)[matrix.indices]
    order = np.lexsort((clocks, users))
    place = np.empty(matrix.nnz, np.int64)
    place[order] = np.arange(matrix.nnz) - matrix.indptr[users]
    held = place < np.ceil(counts * how.share)[users]
    seen, after = (
        csr_array(coo_array((matrix.data[of], (users[of], matrix.indices[of])), matrix.shape))
        for of in (~held, held)
    )
    return _split(seen, after, dataset.customers, dataset.items)


def answer(bundle: Bundle, split: Split) -> Evaluation:
    """How a bundle does on the test part."""
    explore = [block for block in question_blocks() if block.name == EXPLORE]
    return evaluate(bundle, split.held_out, blocks=explore, auc=False)[EXPLORE]


def _matrix(table: pa.Table, shape: tuple[int, int]) -> Matrix:
    """1 where the user was at the item, (users, items)."""
    places = tuple(table.column(name).to_numpy() for name in ("user", "item"))
    ones = np.ones(table.num_rows, np.float32)
    return csr_array(coo_array((ones, places), shape=shape))


def _split(seen: Matrix, after: Matrix, customers: Sequence[str], items: Sequence[str]) -> Split:
    return Split(
        dataset_of(seen, customers, items, UNFADING, AT),
        held_out_of(seen, after, customers, items, (AT, AT + timedelta(days=1))),
    )
