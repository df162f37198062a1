"""Many customers at once, ours and implicit's own, in turns in one process.

`python -m benchmarks.serving.batch_stages batch HOME` prints customers a second.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from scipy.sparse import csr_matrix
from threadpoolctl import threadpool_limits

from benchmarks.figures import TIMES, seconds
from benchmarks.serving.shop import BLOCK, SPARE, WIDTH, open_shop
from benchmarks.serving.stages import keys_of, parts_of
from benchmarks.stages import Stage, main
from features.clock import SystemClock
from features.profile import History
from serving.model.als import FACTORS
from serving.model.basket import baskets_of
from serving.model.bundle import Bundle
from serving.parts import Parts
from serving.ranking.chain import Ask as RankAsk
from serving.ranking.opinion import Opinion
from serving.service import MAX_CUSTOMERS, Service
from serving.slate import Ask, Rung
from training.judging import together


def batch_stage(home: str) -> Stage:
    """Ours behind `POST /v1/recommendations`, ours as it publishes, and implicit's."""
    parts = parts_of(home)
    keys = keys_of(open_shop(Path(home)).changed)
    found = parts.stores.profiles.get_many(keys)
    histories = [found[key].history for key in keys]
    bundle = _bundle(parts)
    peer, matrix = implicit_of(bundle, histories)
    service, users = Service(parts), np.arange(len(keys))
    count = parts.current.snapshot.blocks[BLOCK].size
    works = {
        "post": lambda: _posted(service, keys),
        "publish": lambda: _published(parts, histories),
        "implicit": lambda: _recommended(peer, users, matrix, count),
        "implicit, as deep as published": lambda: _recommended(peer, users, matrix, count * SPARE),
    }
    spent: dict[str, list[float]] = {name: [] for name in works}
    # As a scorer does once it has begun: what is there is never looked at again for garbage.
    gc.collect()
    gc.freeze()
    with threadpool_limits(1, user_api="blas"):
        for _ in range(TIMES + 1):
            for name, work in works.items():
                spent[name].append(seconds(work))
    # The first time is for warming up.
    rates = {name: len(keys) / median(times[1:]) for name, times in spent.items()}
    return Stage(sum(map(sum, spent.values())), rates)


def implicit_of(
    bundle: Bundle, histories: Sequence[History]
) -> tuple[AlternatingLeastSquares, csr_matrix]:
    """The peer: implicit's model with the bundle's factors, and what its customers have."""
    peer = AlternatingLeastSquares(factors=WIDTH, random_state=7, num_threads=1)
    peer.item_factors = np.array(bundle.arrays[FACTORS])
    peer.user_factors = np.zeros((len(histories), WIDTH), np.float32)
    baskets = baskets_of(histories, bundle.index, SystemClock().now())
    weights = baskets.weights(bundle.manifest.weighting)
    return peer, csr_matrix(weights).astype(np.float32)


def _bundle(parts: Parts) -> Bundle:
    model = parts.current.snapshot.model
    assert model is not None  # the shop has one
    return model.bundle


def _posted(service: Service, keys: Sequence[str]) -> None:
    """Everybody, as many in a request as may be, ready to be sent."""

    async def post(asks: Sequence[Ask]) -> None:
        # Not returned: asyncio.run writes out what it returns, in vain and for a long time.
        answers = await service.answer_many(asks)
        assert all(answer.choice.served_by is Rung.MODEL and answer.body for answer in answers)

    for start in range(0, len(keys), MAX_CUSTOMERS):
        some = keys[start : start + MAX_CUSTOMERS]
        asyncio.run(post([Ask(customer=key, block=BLOCK) for key in some]))


def _published(parts: Parts, histories: Sequence[History]) -> None:
    """Everybody's stored slate with what speaks for its items, as `homing publish` makes it."""
    snapshot, now = parts.current.snapshot, SystemClock().now()
    block, bundle = snapshot.blocks[BLOCK], _bundle(parts)
    assert snapshot.model is not None  # the shop has one
    assert snapshot.view is not None  # and where there is one, its items have a view
    for part in together(len(histories), len(bundle.items)):
        opinion = Opinion(bundle, snapshot.model.scorer, histories[part], now)
        asks = [RankAsk(block, one, count=block.size * SPARE) for one in histories[part]]
        made = opinion.rankings(snapshot.view, asks)
        opinion.spoken([ranking.rows for ranking in made])


def _recommended(
    peer: AlternatingLeastSquares, users: np.ndarray[Any, Any], matrix: csr_matrix, count: int
) -> None:
    peer.recommend(users, matrix, N=count, filter_already_liked_items=True, recalculate_user=True)


if __name__ == "__main__":
    main({"batch": batch_stage})
