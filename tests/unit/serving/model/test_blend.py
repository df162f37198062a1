from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import pytest

from features.errors import BundleError
from serving.model.arrays import Array
from serving.model.bundle import Bundle, load_bundle, make_bundle
from serving.model.manifest import Part
from serving.model.scoring import open_scorer
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import FACTS, NOW, bundle_of, purchases
from tests.unit.serving.model.test_linear import FACTORS, ROWS

PLAIN = Weighting(half_life_days=None)
PARTS = (
    Part(algorithm="item_knn", params={}, weighting=PLAIN, weight=2.0),
    Part(algorithm="popularity", params={}, weighting=PLAIN, weight=0.5),
    Part(algorithm="graph_filter", params={"power": 0.5}, weighting=PLAIN, weight=1.0),
)
ARRAYS: dict[str, Array] = {
    "popularity": np.array([3, 2, 1], np.float32),
    **{f"part0_{name}": array for name, array in ROWS.items()},
    "part1_popularity": np.array([0, 0, 4], np.float32),
    **{f"part2_{name}": array for name, array in FACTORS.items()},
}


def blend(*parts: Part) -> Bundle:
    """The three models above, or others."""
    return make_bundle(
        algorithm="blend",
        params={},
        weighting=PLAIN,
        items=("apple", "bread", "crème"),
        arrays=ARRAYS,
        data=FACTS,
        created_at=NOW,
        parts=parts,
    )


def test_a_blend_adds_up_its_parts_each_by_its_greatest_score() -> None:
    customers = purchases({0: 2, 1: 1}, {}, items=3)
    knn, _, graph = (open_scorer(blend(*PARTS).part(n)).score(customers) for n in range(3))
    wanted = 2 * knn[0] / knn[0].max() + 0.5 * np.array([0, 0, 1]) + graph[0] / graph[0].max()
    found = open_scorer(blend(*PARTS)).score(customers)
    np.testing.assert_allclose(found, [wanted, [0, 0, 0.5]], rtol=1e-6)


def test_square_roots_may_count_too() -> None:
    rooted = msgspec.structs.replace(PARTS[0], weight=0.0, root=3.0)
    found = open_scorer(blend(rooted)).score(purchases({0: 1}, items=3))
    np.testing.assert_allclose(found[0], 3 * np.sqrt([1.0, 0.5, 0.0]), rtol=1e-6)


def test_a_part_that_speaks_against_an_item_says_nothing() -> None:
    graph = blend(PARTS[0], PARTS[1], PARTS[2])
    turned = Bundle(
        graph.manifest,
        graph.items,
        {**graph.arrays, "part2_in_factors": -FACTORS["in_factors"]},
    )
    someone = purchases({1: 1}, items=3)
    without = open_scorer(blend(PARTS[0], PARTS[1])).score(someone)
    np.testing.assert_allclose(open_scorer(turned).score(someone), without)


@pytest.mark.parametrize("root", [0.0, 0.7])
def test_shares_are_those_of_the_parts_together(root: float) -> None:
    parts = [msgspec.structs.replace(part, root=root) for part in PARTS]
    scorer, someone = open_scorer(blend(*parts)), purchases({0: 2, 1: 1}, items=3)
    rows = np.array([0, 1])  # popularity says nothing of these
    shares = scorer.shares(someone, rows)
    assert shares.items.tolist() == [0, 1]
    np.testing.assert_allclose(shares.values.sum(axis=1), scorer.score(someone)[0][rows], rtol=1e-5)


def test_likes_are_those_of_the_weightiest_part_that_has_any() -> None:
    scorer = open_scorer(blend(*PARTS))
    assert scorer.similar(1, 5)[0].tolist() == [0, 2]
    assert scorer.similar(2, 5)[0].tolist() == [1, 0]  # nothing in item-kNN
    alone = open_scorer(blend(PARTS[1], PARTS[1]))
    assert len(alone.similar(0, 3)[0]) == 0


def test_a_blend_of_nothing_or_of_blends_is_refused() -> None:
    inner = Part(algorithm="blend", params={}, weighting=PLAIN, weight=1.0)
    for parts in ((), (PARTS[0], inner)):
        with pytest.raises(BundleError, match="at least one model"):
            open_scorer(blend(*parts))


def test_a_blend_is_a_folder_like_any_bundle(tmp_path: Path) -> None:
    blend(*PARTS).save(tmp_path / "1")
    loaded = load_bundle(tmp_path / "1")
    someone = purchases({0: 1}, items=3)
    assert loaded.manifest.parts == PARTS
    np.testing.assert_array_equal(
        open_scorer(loaded).score(someone), open_scorer(blend(*PARTS)).score(someone)
    )


def test_a_shop_without_items_has_no_scores() -> None:
    nothing = Bundle(
        msgspec.structs.replace(blend(*PARTS[1:2]).manifest, items=0),
        (),
        {"popularity": np.empty(0, np.float32), "part0_popularity": np.empty(0, np.float32)},
    )
    assert open_scorer(nothing).score(purchases({}, items=0)).shape == (1, 0)
