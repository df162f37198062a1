from __future__ import annotations

import numpy as np
import pytest

from features.errors import NotEnoughData
from features.item import Item
from serving.model.bundle import Bundle
from serving.ranking.blocks import Block
from tests.unit.training.samples import (
    AT,
    SIZE,
    checkerboard_dataset,
    checkerboard_held_out,
    with_targets,
)
from training.evaluate import EXPLORE, REPEAT, evaluate, question_blocks
from training.recommenders import item_knn, popularity


def knn() -> Bundle:
    """A model that knows the checkerboard."""
    return item_knn.fit(checkerboard_dataset(), item_knn.ItemKnnParams(shrink=1.0), AT)


def test_a_model_that_knows_the_answer_scores_one() -> None:
    explore = evaluate(knn(), checkerboard_held_out())[EXPLORE]
    means = explore.means()
    assert (means["ndcg_4"], means["ndcg_20"], means["mrr_4"], means["auc"]) == (1.0,) * 4
    assert means["precision_4"] == 0.25
    assert explore.customers == checkerboard_held_out().customers
    assert explore.per_customer["ndcg_20"].shape == (SIZE,)
    assert explore.seconds > 0


def test_popularity_only_guesses() -> None:
    bundle = popularity.fit(checkerboard_dataset(), popularity.PopularityParams(), AT)
    explore = evaluate(bundle, checkerboard_held_out())[EXPLORE]
    # Half of what a customer does not own is of the wrong colour; only one item is the target.
    assert explore.means()["mrr_4"] < 0.6
    assert explore.summary["mrr_4"].low < explore.means()["mrr_4"] < explore.summary["mrr_4"].high


def test_where_repeats_are_allowed_owned_items_stand_before_the_new_one() -> None:
    repeat = evaluate(knn(), checkerboard_held_out())[REPEAT].means()
    assert repeat["recall_4"] < 1.0
    assert repeat["recall_20"] == 1.0


def test_coverage_is_the_share_of_the_catalogue_that_was_shown() -> None:
    one = (Block(name="one", size=1),)
    means = evaluate(knn(), checkerboard_held_out(), blocks=one)["one"].means()
    assert means["coverage_20"] == 1.0
    bundle = popularity.fit(checkerboard_dataset(), popularity.PopularityParams(), AT)
    narrow = evaluate(bundle, checkerboard_held_out(), blocks=one)["one"].means()
    assert narrow["coverage_20"] == pytest.approx(2 / SIZE)


def test_what_the_block_would_never_show_is_no_target() -> None:
    held_out = checkerboard_held_out()
    again = [t | h.owned() for t, h in zip(held_out.targets, held_out.histories, strict=True)]
    bought = with_targets(held_out, [dict.fromkeys(items, 0.0) for items in again])
    assert evaluate(knn(), bought)[EXPLORE].means()["recall_4"] == 1.0
    assert evaluate(knn(), bought)[REPEAT].means()["recall_4"] == pytest.approx(4 / 6)


def test_a_target_that_the_bundle_does_not_know_is_missed() -> None:
    held_out = checkerboard_held_out()
    two = [dict.fromkeys(targets | {"brand-new"}, 0.0) for targets in held_out.targets]
    new = with_targets(held_out, two)
    means = evaluate(knn(), new)[EXPLORE].means()
    assert (means["recall_20"], means["auc"]) == (0.5, 1.0)
    unknown = with_targets(held_out, [{"brand-new": 0.0}] * SIZE)
    lost = evaluate(knn(), unknown)[EXPLORE]
    assert (lost.means()["recall_20"], lost.means()["hit_rate_20"]) == (0.0, 0.0)
    assert np.isnan(lost.summary["auc"].mean)
    assert "auc" not in lost.means()


def test_items_that_are_gone_are_not_shown() -> None:
    catalogue = {
        f"item-{n:02}": Item(id=f"item-{n:02}", title="x", in_stock=n > 0) for n in range(SIZE)
    }
    held_out = checkerboard_held_out()
    found = evaluate(knn(), held_out, catalogue)[EXPLORE]
    missed = [held_out.targets[n] for n in np.flatnonzero(found.per_customer["hit_rate_20"] == 0)]
    assert missed == [{"item-00"}]


def test_without_targets_there_is_nothing_to_judge() -> None:
    held_out = checkerboard_held_out()
    owned = [dict.fromkeys(history.owned(), 0.0) for history in held_out.histories]
    with pytest.raises(NotEnoughData, match="0 of 12 customers have a target for block explore"):
        evaluate(knn(), with_targets(held_out, owned))


def test_a_slice_has_the_means_of_its_own_customers() -> None:
    repeat = evaluate(knn(), checkerboard_held_out())[REPEAT]
    even = np.arange(SIZE) % 2 == 0
    nobody = np.zeros(SIZE, np.bool_)
    sliced = repeat.sliced({"even": even, "nobody": nobody})
    assert list(sliced) == ["even"]
    of_even = repeat.per_customer["mrr_20"][even]
    assert sliced["even"]["mrr_20"].mean == pytest.approx(of_even.mean())
    assert of_even.min() <= sliced["even"]["mrr_20"].low <= sliced["even"]["mrr_20"].high
    assert len(sliced["even"]) == len(repeat.per_customer)


def test_what_is_summed_up_has_every_metric_of_every_cutoff() -> None:
    explore = evaluate(knn(), checkerboard_held_out())[EXPLORE]
    names = set(explore.summary)
    assert {"ndcg_4", "ndcg_10", "ndcg_20", "novelty_10", "popularity_lift_4", "auc"} < names
    assert names == {*explore.per_customer, "coverage_20"}
    assert explore.summary["ndcg_10"].mean == explore.means()["ndcg_10"]
    assert explore.summary["coverage_20"].low == explore.means()["coverage_20"]
    # Nothing bears money, and nothing has a category.
    assert not {name for name in names if name.startswith(("revenue", "diversity"))}


def test_what_is_bought_again_and_what_is_new_are_told_apart_where_repeats_may_come() -> None:
    held_out = checkerboard_held_out()
    owned = [sorted(history.owned())[0] for history in held_out.histories]
    again = [{item: 0.0} for item in owned]
    both = [{**a, **dict.fromkeys(b, 0.0)} for a, b in zip(again, held_out.targets, strict=True)]
    repeat = evaluate(knn(), with_targets(held_out, both))[REPEAT]
    assert repeat.means()["recall_again_20"] == repeat.means()["recall_new_20"] == 1.0
    # What is owned stands before what is new.
    assert repeat.means()["ndcg_again_20"] > repeat.means()["ndcg_new_20"]
    only = evaluate(knn(), with_targets(held_out, again), blocks=question_blocks()[1:])[REPEAT]
    assert only.means()["recall_again_20"] == 1.0
    assert np.isnan(only.per_customer["recall_new_20"]).all()
    assert "recall_again_20" not in evaluate(knn(), held_out)[EXPLORE].per_customer
