"""Customers judged a second, against what implicit takes to recommend to them and no more.

A made shop of 40,000 items and 64 factors. What is timed of ours is `evaluate` whole: customers'
vectors from their histories, scores, slates of two questions, every metric of every customer and
the means. AUC compares each target with all 40,000 items, so that it is also told what the others
take without it. The peer has its customers' vectors ready, ranks once, and looks at no metric.

`python -m benchmarks.evaluation --json`
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any, Final, TypeAlias

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_array, csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.figures import TIMES, Figure, at_least, main, plain, seconds
from serving.model.als import ALGORITHM, ALPHA, FACTORS, REGULARIZATION
from serving.model.bundle import POPULARITY, Bundle, make_bundle
from serving.model.weighting import Weighting
from training.dataset import dataset_of
from training.evaluate import PLACES, evaluate
from training.heldout import HeldOut, held_out_of

ITEMS: Final = 40_000
CUSTOMERS: Final = 6_000
BOUGHT: Final = 30
"""Items that a customer bought, on average."""
WANTED: Final = 5
"""Items that a customer buys in held-out time, on average; some of them again."""
WIDTH: Final = 64
AT: Final = datetime(2026, 3, 1, tzinfo=UTC)
RATIO: Final = 0.7

Matrix: TypeAlias = csr_array[Any, Any]


@dataclass(frozen=True, eq=False)
class Made:
    """A shop with both models of it.

    Attributes:
        bundle: Ours.
        held_out: Its customers.
        peer: implicit's model with the same item factors.
        bought: What the customers bought before, as the peer takes it.
    """

    bundle: Bundle
    held_out: HeldOut
    peer: AlternatingLeastSquares
    bought: csr_matrix


def make(customers: int = CUSTOMERS, items: int = ITEMS) -> Made:
    """The shop: few items are bought by many, most by few."""
    random = np.random.default_rng(7)
    chance = 1.0 / np.arange(10.0, items + 10.0)
    chance = random.permutation(chance / chance.sum())
    before = _purchases(random, chance, customers, BOUGHT)
    after = _purchases(random, chance, customers, WANTED)
    names = [f"item-{n:05}" for n in range(items)]
    people = [f"ck_{n:032}" for n in range(customers)]
    weighting = Weighting(half_life_days=None)
    data = dataset_of(before, people, names, weighting, AT).data
    peer = AlternatingLeastSquares(factors=WIDTH, iterations=2, random_state=7, num_threads=0)
    bought = csr_matrix(before)
    with threadpool_limits(1, user_api="blas"):
        peer.fit(bought, show_progress=False)
    bundle = make_bundle(
        algorithm=ALGORITHM,
        params={ALPHA: 1.0, REGULARIZATION: 0.01},
        weighting=weighting,
        items=names,
        arrays={FACTORS: peer.item_factors, POPULARITY: before.sum(axis=0).astype(np.float32)},
        data=data,
        created_at=AT,
    )
    held_out = held_out_of(before, after, people, names, (AT, AT + timedelta(days=28)))
    return Made(bundle, held_out, peer, bought)


def measure() -> Sequence[Figure]:
    """Both in turn, with the same threads."""
    made, threads = make(), os.cpu_count() or 1
    made.peer.num_threads = threads
    works = {
        "peer": lambda: _recommended(made),
        "whole": lambda: _judged(made, threads, auc=True),
        "without": lambda: _judged(made, threads, auc=False),
    }
    taken: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(TIMES + 1):
        for name, work in works.items():
            taken[name].append(seconds(work))
    # The first time is for warming up.
    rates = {name: CUSTOMERS / median(times[1:]) for name, times in taken.items()}
    peer = rates["peer"]
    return [
        at_least("evaluation / implicit's recommend", rates["whole"] / peer, "ratio", RATIO),
        plain("evaluation", rates["whole"], "customers/s"),
        plain("evaluation but AUC / implicit's recommend", rates["without"] / peer, "ratio"),
        plain("evaluation but AUC", rates["without"], "customers/s"),
        plain("implicit's recommend", peer, "customers/s"),
    ]


def _recommended(made: Made) -> None:
    """The peer's batch; it asks for one BLAS thread itself."""
    with threadpool_limits(1, user_api="blas"):
        made.peer.recommend(np.arange(CUSTOMERS), made.bought, N=PLACES)


def _judged(made: Made, threads: int, *, auc: bool) -> None:
    """Two questions, every metric of every customer, and the means."""
    for answer in evaluate(made.bundle, made.held_out, threads=threads, auc=auc).values():
        answer.means()


def _purchases(
    random: np.random.Generator, chance: np.ndarray[Any, Any], customers: int, mean: int
) -> Matrix:
    """How often each customer bought each item, (customers, items)."""
    counts = 1 + random.poisson(mean - 1, customers)
    rows = np.repeat(np.arange(customers), counts)
    columns = random.choice(len(chance), counts.sum(), p=chance)
    size = (customers, len(chance))
    bought: Matrix = csr_array((np.ones(len(rows)), (rows, columns)), shape=size)
    bought.sum_duplicates()
    bought.data[:] = 1.0
    return bought


if __name__ == "__main__":
    main("evaluation", measure)
