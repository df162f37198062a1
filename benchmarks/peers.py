"""The peers of a shop: plain counts, TIFU-kNN and implicit's own models, tuned as ours are.

Each learns from the same customers and purchases, and is tuned on the same validation time by a
random search of as many seconds as one of our algorithms gets. A peer keeps the parameters that
were best for each question apart, where ours answer all questions with one model.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import repeat
from typing import Any, Final

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.nearest_neighbours import (
    BM25Recommender,
    CosineRecommender,
    ItemItemRecommender,
    TFIDFRecommender,
)
from implicit.recommender_base import ModelFitError
from implicit.utils import ParameterWarning
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.slates import Jury, Score
from benchmarks.tifu import Tifu, TifuParams
from features.event import EventType
from serving.model.weighting import Weighting
from training.dataset import Dataset
from training.recommenders.sparse import customers_of

THREADS: Final = 2
SEED: Final = 20170101
BOUGHT: Final = Weighting({EventType.PURCHASE: 1.0, EventType.RETURN: -1.0}, half_life_days=None)
"""Plain counts."""

Params = dict[str, Any]


@dataclass(frozen=True)
class Peer:
    """One peer.

    Attributes:
        fit: History and parameters → its scores.
        starts: Parameters that are tried first; the only ones when nothing is drawn.
        draw: Draws others.
    """

    fit: Callable[[Dataset, Params], Score]
    starts: tuple[Params, ...] = ({},)
    draw: Callable[[np.random.Generator], Params] | None = None


@dataclass(frozen=True)
class Tuned:
    """What tuning found.

    Attributes:
        params: Question → the best parameters for it.
        trials: How many were tried.
    """

    params: Mapping[str, Params]
    trials: int


def tune(peer: Peer, dataset: Dataset, jury: Jury, seconds: float) -> Tuned:
    """The best parameters that a budget finds; what is under way at its end is finished."""
    best: dict[str, tuple[float, Params]] = {}
    began, trials = time.perf_counter(), 0
    for params in _tried(peer):
        try:
            values = jury.judge(peer.fit(dataset, params))
        except ModelFitError:
            values = {}
        for question, of_each in values.items():
            mean = float(of_each.mean())
            if question not in best or mean > best[question][0]:
                best[question] = mean, params
        trials += 1
        if trials >= len(peer.starts) and time.perf_counter() - began >= seconds:
            break
    return Tuned({question: params for question, (_, params) in best.items()}, trials)


def _tried(peer: Peer) -> Iterator[Params]:
    yield from peer.starts
    if peer.draw is not None:
        random = np.random.default_rng(SEED)
        yield from (peer.draw(random) for _ in repeat(None))


def _counts(dataset: Dataset) -> csr_matrix[Any, Any]:
    """How often each customer bought each item, (customers, items)."""
    return csr_matrix(dataset.under(BOUGHT).matrix.astype(np.float64))


def _popularity(dataset: Dataset, _params: Params) -> Score:
    buyers = customers_of(dataset.under(BOUGHT).matrix).astype(np.float32)
    return lambda rows: np.tile(buyers, (len(rows), 1))


def _personal(dataset: Dataset, _params: Params) -> Score:
    counts = dataset.under(BOUGHT).matrix
    return lambda rows: np.asarray(counts[rows].toarray())


def _tifu(dataset: Dataset, params: Params) -> Score:
    return Tifu(dataset.baskets, TifuParams(**params))


def _als(dataset: Dataset, params: Params) -> Score:
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(num_threads=THREADS, random_state=SEED, **params)
        model.fit(_counts(dataset).astype(np.float32), show_progress=False)
    customers, items = model.user_factors, model.item_factors
    return lambda rows: np.asarray(customers[rows] @ items.T)


def _item_knn(dataset: Dataset, params: Params) -> Score:
    """By implicit's similarities; it scores by the sum over what a customer has, weighed."""
    schemes: dict[str, Callable[..., ItemItemRecommender]] = {
        "cosine": CosineRecommender,
        "tfidf": TFIDFRecommender,
        "bm25": BM25Recommender,
    }
    counts = _counts(dataset)
    rest = {name: value for name, value in params.items() if name != "scheme"}
    model = schemes[params["scheme"]](num_threads=THREADS, **rest)
    with warnings.catch_warnings():
        # It weighs into a format of its own, and then warns of it.
        warnings.simplefilter("ignore", ParameterWarning)
        model.fit(counts, show_progress=False)
    similarity = csr_matrix(model.similarity)
    return lambda rows: np.asarray((counts[rows] @ similarity).toarray(), np.float32)


def _draw_tifu(random: np.random.Generator) -> Params:
    params = TifuParams(
        neighbours=int(np.exp(random.uniform(np.log(10), np.log(1100)))),
        alpha=random.uniform(0.0, 1.0),
        group=int(random.integers(1, 24)),
        within=random.uniform(0.1, 1.0),
        between=random.uniform(0.1, 1.0),
    )
    return asdict(params)


def _draw_als(random: np.random.Generator) -> Params:
    return {
        "factors": int(random.choice((32, 64, 128))),
        "regularization": float(np.exp(random.uniform(np.log(0.01), np.log(100.0)))),
        "alpha": float(np.exp(random.uniform(np.log(0.3), np.log(100.0)))),
        "iterations": int(random.integers(8, 25)),
    }


def _draw_item_knn(random: np.random.Generator) -> Params:
    params: Params = {
        "scheme": str(random.choice(("cosine", "tfidf", "bm25"))),
        "K": int(np.exp(random.uniform(np.log(20), np.log(400)))),
    }
    if params["scheme"] == "bm25":
        params |= {"K1": random.uniform(0.1, 4.0), "B": random.uniform(0.0, 1.0)}
    return params


ALS: Final = "implicit's ALS"
PEERS: Final[Mapping[str, Peer]] = {
    "popularity": Peer(_popularity),
    "personal frequency": Peer(_personal),
    "TIFU-kNN": Peer(_tifu, (asdict(TifuParams()),), _draw_tifu),
    ALS: Peer(_als, ({"factors": 64},), _draw_als),
    "implicit's item-kNN": Peer(
        _item_knn,
        tuple({"scheme": scheme, "K": 100} for scheme in ("cosine", "tfidf", "bm25")),
        _draw_item_knn,
    ),
}
"""By the name that figures bear."""
