from __future__ import annotations

import numpy as np
import pytest

from serving.model.blend_search import STEP, Parts, Search
from serving.model.longest import Longest
from serving.model.manifest import Say
from serving.model.ways import Alike, Inner

ITEMS = 5 * STEP
RANDOM = np.random.default_rng(5)
FACTORS = RANDOM.standard_normal((ITEMS, 4)).astype(np.float32)
VECTOR = np.ones((1, 4), np.float32)
POPULARITY = RANDOM.random(ITEMS).astype(np.float32)
PEAK = np.float32((FACTORS @ VECTOR[0]).max())


@pytest.mark.parametrize(
    "says",
    [(Say(1.0, 0.5), Say(0.5)), (Say(-0.4, 1.0), Say(0.2, -0.1)), (Say(-1.0), Say(-0.5, -0.5))],
)
def test_all_ways_of_counting_lead_to_the_best(says: tuple[Say, Say]) -> None:
    parts: Parts = [
        (says[0], Inner(VECTOR, Longest(FACTORS)), PEAK),
        (says[1], Alike(POPULARITY), np.float32(1)),
    ]
    every, known = np.arange(ITEMS), np.maximum(FACTORS @ VECTOR[0], 0) / PEAK
    expected = says[0].weight * known + says[0].root * np.sqrt(known)
    expected += says[1].weight * POPULARITY + says[1].root * np.sqrt(POPULARITY)
    search = Search(parts, 0, np.array([3, 9]))
    np.testing.assert_allclose(search.rough(every), expected, atol=1e-5)
    for count, share in ((1, 1.0), (7, 0.5), (2 * STEP, 1.0), (ITEMS, 0.1), (3, 0.3)):
        fresh = RANDOM.random(ITEMS) < share
        found = search.near(fresh, count)
        assert fresh[found].all()
        assert len(set(found.tolist())) == len(found) >= min(count, fresh.sum())
        best = np.argsort(-np.where(fresh, expected, -np.inf), kind="stable")
        assert set(best[: min(count, int(fresh.sum()))].tolist()) <= set(found.tolist())
