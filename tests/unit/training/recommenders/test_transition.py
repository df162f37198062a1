from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_array

from features.event import Event, EventType
from serving.model.basket import Baskets, baskets_of_counts
from serving.model.linear import IN, OUT
from serving.model.scoring import open_scorer
from serving.model.weighting import Weighting
from tests.unit.training.samples import AT, WEIGHTING, purchase, table
from training.dataset import Dataset, dataset_of, load_dataset
from training.recommenders.recipe import default_recipe
from training.recommenders.transition import TransitionParams, cut_histories, fit

DAYS_AGO = (5.0, 20.0, 40.0)
ALONE = TransitionParams(power=0.0, customer_power=0.0, ridge=0.5, days=10.0, cuts=1)


def shop(*bought: tuple[int, str, float]) -> Dataset:
    """Customer, item, days ago."""
    return load_dataset(
        table(purchase(who, item, AT - timedelta(days=ago)) for who, item, ago in bought),
        WEIGHTING,
        AT,
        lake_version=1,
    )


def cots_then_prams(customers: int = 8) -> Dataset:
    """Half of the customers buy a cot and then a pram; the others hats, and then gloves."""
    pairs = [("cot", "pram"), ("hat", "glove")]
    return shop(
        *(
            (who, item, ago)
            for who in range(customers)
            for item, ago in zip(pairs[who % 2], (30.0, 5.0), strict=True)
        )
    )


def bought(dataset: Dataset, row: NDArray[np.float32]) -> str:
    """The items of a row."""
    return "".join(dataset.items[place] for place in np.flatnonzero(row))


def one_who_has(dataset: Dataset, items: Sequence[str]) -> Baskets:
    counts = csr_array(np.array([[float(item in items) for item in dataset.items]]))
    return baskets_of_counts(counts)


def test_history_is_what_was_before_a_cut_and_what_follows_was_bought_until_the_next() -> None:
    dataset = shop((0, "a", 25.0), (0, "b", 15.0), (0, "c", 5.0), (1, "a", 12.0), (1, "b", 8.0))
    sides = cut_histories(dataset, TransitionParams(days=10.0, cuts=2))
    before, after = ([bought(dataset, row) for row in side.toarray()] for side in sides)
    assert sorted(zip(before, after, strict=True)) == [
        # The first customer, cut twenty and ten days ago; the second had nothing at the former.
        ("a", "b"),
        ("a", "b"),
        ("ab", "c"),
    ]


def test_a_history_is_weighed_as_it_was_when_it_was_cut() -> None:
    half_life = WEIGHTING.half_life_days
    assert half_life is not None
    dataset = shop((0, "a", 10.0 + half_life), (0, "b", 5.0), (1, "a", 10.0), (1, "b", 5.0))
    before, _ = cut_histories(dataset, TransitionParams(days=10.0, cuts=1))
    assert sorted(before.toarray()[:, 0]) == pytest.approx([0.5, 1.0])


def test_what_is_not_a_purchase_is_history_but_does_not_follow() -> None:
    def viewed(who: int, item: str, ago: float) -> Event:
        return purchase(who, item, AT - timedelta(days=ago), EventType.VIEW)

    events = [viewed(who, "seen", 30.0) for who in (0, 1)]
    events += [viewed(0, "seen again", 5.0), purchase(1, "bought", AT - timedelta(days=5))]
    dataset = load_dataset(table(events), WEIGHTING, AT, lake_version=1)
    before, after = cut_histories(dataset, TransitionParams(days=10.0, cuts=1))
    assert [bought(dataset, row) for row in before.toarray()] == ["seen"]
    assert [bought(dataset, row) for row in after.toarray()] == ["bought"]


def test_time_after_a_cut_is_half_of_all_history_at_the_most() -> None:
    dataset = shop((0, "a", 20.0), (0, "b", 5.0), (1, "a", 19.0), (1, "b", 9.0))
    before, after = cut_histories(dataset, TransitionParams(days=56.0, cuts=1))
    assert (before.shape, after.nnz) == ((2, 2), 2)


def test_of_many_histories_some_of_all_customers_are_taken() -> None:
    dataset = cots_then_prams()
    everything = cut_histories(dataset, TransitionParams(days=10.0, cuts=1))
    some = cut_histories(dataset, TransitionParams(days=10.0, cuts=1, histories=3))
    for whole, part in zip(everything, some, strict=True):
        assert part.toarray().tolist() == whole.toarray()[[0, 3, 7]].tolist()


def test_what_follows_is_recommended_and_not_what_came_before() -> None:
    dataset = cots_then_prams()
    scorer = open_scorer(fit(dataset, ALONE, AT))
    cot, glove, hat, pram = range(4)
    (after_cot,) = scorer.score(one_who_has(dataset, ["cot"]))
    assert after_cot.argmax() == pram
    assert after_cot[[cot, glove, hat]] == pytest.approx(0.0, abs=1e-6)
    (after_pram,) = scorer.score(one_who_has(dataset, ["pram"]))
    assert after_pram == pytest.approx(0.0, abs=1e-6)


def test_with_all_singular_values_it_is_ridge_regression() -> None:
    random = np.random.default_rng(1)
    dataset = shop(
        *{
            (int(who), f"item-{int(item)}", ago)
            for who, item in random.integers(0, (30, 12), (160, 2))
            for ago in [float(random.choice(DAYS_AGO))]
        }
    )
    before, after = (side.toarray() for side in cut_histories(dataset, ALONE))
    x, y = (before > 0).astype(float), (after > 0).astype(float)
    ridge = ALONE.ridge * (x**2).sum() / len(x)
    expected = np.linalg.solve(x.T @ x + ridge * np.eye(x.shape[1]), x.T @ y)
    bundle = fit(dataset, ALONE, AT)
    found = bundle.array(IN, np.float32, 2) @ bundle.array(OUT, np.float32, 2).T
    assert found == pytest.approx(expected, abs=1e-5)


def test_without_times_it_has_nothing_to_say() -> None:
    dataset = dataset_of(
        csr_array(np.ones((3, 4))), ["ck_0", "ck_1", "ck_2"], "abcd", WEIGHTING, AT
    )
    assert not open_scorer(fit(dataset, TransitionParams(), AT)).score(dataset.baskets).any()


def test_by_default_old_interactions_count_like_new_ones() -> None:
    assert default_recipe("transition").weighting.half_life_days is None
    assert default_recipe("item_knn").weighting == Weighting()
