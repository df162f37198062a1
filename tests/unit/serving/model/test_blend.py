from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from features.errors import BundleError
from features.event import EventType
from serving.model.arrays import Array
from serving.model.basket import baskets_of
from serving.model.bundle import Bundle, load_bundle, make_bundle
from serving.model.manifest import Param, Part, Say
from serving.model.scoring import open_scorer
from serving.model.weighting import Weighting
from tests.unit.serving.model.samples import FACTS, NOW, event, history, purchases
from tests.unit.serving.model.test_linear import FACTORS, ROWS

PLAIN = Weighting(half_life_days=None)
PARTS = (
    Part(algorithm="item_knn", params={}, weighting=PLAIN, new=Say(2.0), again=Say(1.0)),
    Part(algorithm="popularity", params={}, weighting=PLAIN, new=Say(0.5)),
    Part(
        algorithm="graph_filter",
        params={"power": 0.5},
        weighting=PLAIN,
        new=Say(1.0),
        again=Say(0.5),
    ),
)
ARRAYS: dict[str, Array] = {
    "popularity": np.array([3, 2, 1], np.float32),
    **{f"part0_{name}": array for name, array in ROWS.items()},
    "part1_popularity": np.array([0, 0, 4], np.float32),
    **{f"part2_{name}": array for name, array in FACTORS.items()},
}


def blend(*parts: Part, again: Param = 0.25) -> Bundle:
    """The three models above, or others."""
    return make_bundle(
        algorithm="blend",
        params={"again": again},
        weighting=PLAIN,
        items=("apple", "bread", "crème"),
        arrays=ARRAYS,
        data=FACTS,
        created_at=NOW,
        parts=parts,
    )


def test_a_blend_adds_up_its_parts_each_by_its_greatest_score_among_items_of_a_kind() -> None:
    customers = purchases({0: 2}, {}, items=3)  # item-kNN: 2, 1, 0; graph filter: √2 · (1, 3, 0)
    found = open_scorer(blend(*PARTS)).score(customers)
    has_apple = [0.25 + 1.0 + 0.5, 2.0 + 1.0, 0.5]
    np.testing.assert_allclose(found, [has_apple, [0, 0, 0.5]], rtol=1e-6)


def test_square_roots_may_count_too() -> None:
    rooted = msgspec.structs.replace(PARTS[0], new=Say(0.0, 3.0), again=Say(0.0, 7.0))
    found = open_scorer(blend(rooted)).score(purchases({1: 1}, items=3))
    np.testing.assert_allclose(found[0], [3.0, 7.25, 3 * np.sqrt(0.5)], rtol=1e-6)


def test_many_customers_score_what_each_scores_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("serving.model.blend.TOGETHER", 7)  # two customers at once
    rooted = [msgspec.structs.replace(part, new=Say(1.0, 0.5)) for part in PARTS]
    scorer = open_scorer(blend(*rooted))
    bought = [{0: 2}, {}, {1: 1, 2: 1}, {0: 1, 1: 3, 2: 1}, {2: 1}]
    together = scorer.score(purchases(*bought, items=3))
    alone = [scorer.score(purchases(one, items=3))[0] for one in bought]
    np.testing.assert_array_equal(together, alone)


def test_what_was_returned_is_new_again() -> None:
    bought = history(event("apple", at=NOW - timedelta(days=2)))
    back = bought.join(history(event("apple", at=NOW, kind=EventType.RETURN)))
    index = {name: row for row, name in enumerate(blend(*PARTS).items)}
    scorer = open_scorer(blend(PARTS[1]))
    assert scorer.score(baskets_of([bought], index, NOW))[0].tolist() == [0.25, 0.5, 0.25]
    assert scorer.score(baskets_of([back], index, NOW))[0].tolist() == pytest.approx(
        [1 / 2, 1 / 3, 1 / 6]
    )


def test_a_part_that_speaks_against_an_item_says_nothing() -> None:
    graph = blend(*PARTS)
    turned = Bundle(
        graph.manifest, graph.items, {**graph.arrays, "part2_in_factors": -FACTORS["in_factors"]}
    )
    someone = purchases({1: 1}, items=3)
    without = open_scorer(blend(*PARTS[:2])).score(someone)
    np.testing.assert_allclose(open_scorer(turned).score(someone), without)


@pytest.mark.parametrize("root", [0.0, 0.7])
def test_shares_are_those_of_the_parts_together(root: float) -> None:
    parts = [
        msgspec.structs.replace(
            part, new=Say(part.new.weight, root), again=Say(part.again.weight, root)
        )
        for part in PARTS
    ]
    scorer = open_scorer(blend(*parts, again=0.0))
    someone, rows = purchases({0: 2}, items=3), np.array([0, 1])  # of these popularity is silent
    shares = scorer.tastes(someone).shares([rows])[0]
    assert shares.items.tolist() == [0]
    np.testing.assert_allclose(shares.values.sum(axis=1), scorer.score(someone)[0][rows], rtol=1e-5)


def test_likes_are_those_of_the_weightiest_part_that_has_any() -> None:
    scorer = open_scorer(blend(*PARTS))
    assert scorer.similar(1, 5)[0].tolist() == [0, 2]
    assert scorer.similar(2, 5)[0].tolist() == [1, 0]  # nothing in item-kNN
    alone = open_scorer(blend(PARTS[1], PARTS[1]))
    assert len(alone.similar(0, 3)[0]) == 0


def test_a_blend_of_nothing_or_of_blends_is_refused() -> None:
    inner = Part(algorithm="blend", params={}, weighting=PLAIN)
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


def test_a_bonus_that_is_no_number_is_refused() -> None:
    with pytest.raises(BundleError, match=r"params\.again = 'much'"):
        open_scorer(blend(*PARTS, again="much"))
