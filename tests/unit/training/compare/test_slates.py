from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from features.item import Item
from serving.model.bundle import Bundle
from tests.unit.training.samples import AT, checkerboard_dataset, checkerboard_held_out
from training.compare.recommenders import compare_recommenders
from training.compare.slates import Beside, compare_slates, slates_beside
from training.evaluate import evaluate
from training.recommenders.recipe import default_recipe

HELD_OUT = checkerboard_held_out()
CUSTOMERS = len(HELD_OUT.customers)


def beside(a: Sequence[Sequence[str]], b: Sequence[Sequence[str]]) -> Beside:
    """Slates of the first customers."""
    some = HELD_OUT.picked(np.arange(len(a)))
    return Beside(some, tuple(map(tuple, a)), tuple(map(tuple, b)))


def fitted(algorithm: str) -> Bundle:
    return default_recipe(algorithm).fit(checkerboard_dataset(), AT)


def test_what_both_show_is_counted() -> None:
    found = compare_slates(beside(["xy", "xy", ""], ["yx", "xz", ""]), {}, None)
    assert found.overlap.customers[:4] == (1, 1, 1, 0)
    assert found.overlap.share.value == pytest.approx((1 + 0.5 + 1) / 3)
    assert found.customers == 3


def test_items_move_by_the_customers_who_see_them() -> None:
    catalogue = {"x": Item(id="x", title="An x")}
    found = compare_slates(beside(["xy", "xy"], ["xz", "yz"]), {}, catalogue)
    assert [(one.item, one.title, one.a, one.b) for one in found.gained] == [("z", "z", 0, 1)]
    assert [(one.title, one.a, one.b) for one in found.lost] == [("An x", 1, 0.5), ("y", 1, 0.5)]


def test_groups_come_in_the_order_of_what_changed() -> None:
    groups = {
        "calm": np.arange(10) < 5,
        "stirred": np.arange(10) >= 5,
        "few": np.arange(10) == 0,
    }
    found = compare_slates(beside(["x"] * 10, ["x"] * 5 + ["y"] * 5), groups, None)
    told = [(one.name, one.customers, one.changed) for one in found.groups]
    assert told == [("stirred", 5, 1.0), ("calm", 5, 0.0)]


def test_examples_mark_what_was_bought_and_tell_the_past() -> None:
    wanted = [next(iter(one)) for one in HELD_OUT.targets]
    a = [["no"], [wanted[1]], ["no"], ["no"]]
    b = [[wanted[0]], ["no"], ["no"], ["yes"]]
    found = compare_slates(beside(a, b), {}, {wanted[0]: Item(id=wanted[0], title="Wanted")})
    reasons = {one.why: one for one in found.examples}
    first = reasons["b_finds_more"]
    assert first.customer == HELD_OUT.customers[0]
    assert [(one.title, one.hit) for one in first.b] == [("Wanted", True)]
    assert [one.hit for one in first.a] == [False]
    assert first.bought == ("Wanted",)
    assert reasons["a_finds_more"].customer == HELD_OUT.customers[1]
    assert reasons["most_in_common"].customer == HELD_OUT.customers[2]
    assert len({one.customer for one in found.examples}) == len(found.examples)
    latest = HELD_OUT.histories[0].interactions[-1].item
    assert first.history[0] == latest


def test_slates_are_those_of_the_chain_that_serves() -> None:
    one, other = fitted("item_knn"), fitted("popularity")
    found = slates_beside((one, other), HELD_OUT, None)
    for customer, (history, slate) in enumerate(zip(HELD_OUT.histories, found.a, strict=True)):
        assert slate
        assert history.owned().isdisjoint(slate)
        assert slate[0] in HELD_OUT.targets[customer]
    assert found.b != found.a


def test_a_better_model_shows_up_as_better_and_turned_round_as_worse() -> None:
    knn, popular = fitted("item_knn"), fitted("popularity")
    answers = [evaluate(one, HELD_OUT) for one in (popular, knn)]
    better = compare_recommenders(
        ("a/1", "a/2"), (popular, knn), (answers[0], answers[1]), HELD_OUT, None
    )
    worse = compare_recommenders(
        ("a/2", "a/1"), (knn, popular), (answers[1], answers[0]), HELD_OUT, None
    )
    assert better.metrics[0].metric == "explore/ndcg_4"
    assert better.metrics[0].mark == "better"
    assert worse.metrics[0].mark == "worse"
    assert better.customers == CUSTOMERS
    # Without histories of their own, everybody is new or light or heavy.
    everybody = sum(one.customers for one in better.slices if " " not in one.name)
    assert everybody <= CUSTOMERS


def test_equal_models_are_equal_in_everything() -> None:
    knn = fitted("item_knn")
    answers = evaluate(knn, HELD_OUT)
    found = compare_recommenders(
        ("a/1", "a/2"), (knn, replace(knn)), (answers, answers), HELD_OUT, None
    )
    assert {one.mark for one in found.metrics} == {"level", "unknown"}
    assert {one.difference.value for one in found.metrics if one.difference} == {0}
    assert found.slates
    assert found.slates.overlap.share.value == 1
    assert found.slates.gained == found.slates.lost == ()
    assert {one.movement for one in found.drift} == {"stable"}
    assert {one.psi for one in found.drift} == {0}
