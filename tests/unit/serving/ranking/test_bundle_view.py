from __future__ import annotations

import numpy as np

from features.item import Item
from serving.model.als import FACTORS
from serving.ranking.bundle_view import bundle_view
from tests.unit.serving.model.samples import bundle_of


def test_a_view_has_the_bundle_s_order_popularity_and_vectors() -> None:
    factors = np.array([[1.0, 0.0], [0.0, 1.0]], np.float32)
    bundle = bundle_of("als", ("apple", "bread"), arrays={FACTORS: factors})
    view = bundle_view(bundle, {"bread": Item(id="bread", title="Bread", brand="Mill")})
    assert (list(view.items), view.stocked.tolist()) == (["apple", "bread"], [False, True])
    assert view.rank.tolist() == np.argsort(-bundle.popularity, kind="stable").argsort().tolist()
    assert view.vectors is bundle.arrays[FACTORS]
    assert view.traits.brand.tolist() == [-1, 0]
