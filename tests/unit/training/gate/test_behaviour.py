from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from serving.model.bundle import Bundle
from tests.unit.training.samples import AT, checkerboard_dataset, checkerboard_held_out
from training.gate.behaviour import (
    Sample,
    check_finite,
    check_learnt,
    check_personal,
    check_recalls,
    check_repeatable,
    sample_of,
)
from training.ranks import chance_above, rank_correlation
from training.recommenders import als, personal, popularity

CUSTOMERS, ITEMS = 40, 40


def bundle() -> Bundle:
    return als.fit(checkerboard_dataset(), als.AlsParams(factors=2), AT)


def sample(**said: object) -> Sample:
    """Customers of two tastes, each scored by the taste alone."""
    taste = np.arange(CUSTOMERS)[:, None] % 2 == np.arange(ITEMS) % 2
    random = np.random.default_rng(1)
    own = taste & (random.random(taste.shape) < 0.5)
    hidden = own & (own.cumsum(axis=1) % 2 == 0)
    scores = (taste + random.random(taste.shape) / 2).astype(np.float32)
    made = Sample("als", scores, scores, scores, own, hidden, np.ones(ITEMS, np.float32))
    return dataclasses.replace(made, **said)  # type: ignore[arg-type] # a field each


def test_half_of_what_each_had_is_hidden_once() -> None:
    seen = sample_of(bundle(), checkerboard_held_out())
    assert seen.scores.shape == seen.blind.shape == (12, 12)
    assert (seen.hidden <= seen.own).all()
    assert seen.own.sum(axis=1).tolist() == [5] * 12
    assert seen.hidden.sum(axis=1).tolist() == [2] * 12
    assert not np.array_equal(seen.blind, seen.scores)


def test_an_honest_sample_passes() -> None:
    checks = (check_finite, check_repeatable, check_recalls, check_learnt, check_personal)
    assert all(check(sample()).passed for check in checks)


def test_noise_recalls_nothing_and_has_learnt_nothing() -> None:
    noise = np.random.default_rng(2).random((CUSTOMERS, ITEMS)).astype(np.float32)
    assert check_recalls(sample(blind=noise)).evidence["rate"] == pytest.approx(0.5, abs=0.05)
    assert not check_recalls(sample(blind=noise)).passed


def test_what_is_popular_alone_is_not_learnt() -> None:
    popular = np.arange(ITEMS, dtype=np.float32)
    alike = np.broadcast_to(popular, (CUSTOMERS, ITEMS))
    clone = sample(scores=alike, blind=alike, popularity=popular)
    assert not check_learnt(clone).passed
    assert not check_personal(clone).passed
    assert check_personal(dataclasses.replace(clone, algorithm="popularity")).passed


def test_a_model_of_what_one_had_before_is_asked_about_that() -> None:
    repeats = personal.fit(checkerboard_dataset(), personal.PersonalParams(), AT)
    seen = sample_of(repeats, checkerboard_held_out())
    assert not seen.talks
    check = check_recalls(seen)
    assert check.passed
    assert check.reason.startswith("an item of a history ranks above others 100.0%")
    assert check_learnt(seen).passed


def test_scores_that_change_or_are_no_numbers_are_refused() -> None:
    scores = sample().scores
    assert not check_repeatable(sample(again=scores + 1)).passed
    assert not check_finite(sample(scores=np.where(scores > 1, np.nan, scores))).passed


def test_popularity_passes_as_what_it_is() -> None:
    made = popularity.fit(checkerboard_dataset(), popularity.PopularityParams(), AT)
    assert check_personal(sample_of(made, checkerboard_held_out())).passed


def test_ranks_count_ties_half() -> None:
    wanted = np.array([True, False, True, False])
    assert chance_above(np.array([3.0, 1.0, 2.0, 2.0]), wanted) == 0.875
    assert np.isnan(chance_above(np.ones(2), np.array([True, True])))
    assert rank_correlation(np.array([1.0, 2.0, 9.0]), np.array([3.0, 5.0, 6.0])) == pytest.approx(
        1
    )
    assert np.isnan(rank_correlation(np.ones(3), np.arange(3.0)))
    assert np.isnan(rank_correlation(np.empty(0), np.empty(0)))
