from __future__ import annotations

from math import log

import numpy as np
import pytest
from scipy.stats import ks_2samp

from tests.unit.serving.model.samples import bundle_of
from tests.unit.training.samples import AT, checkerboard_dataset
from training.compare.drift import (
    drifted_features,
    drifted_items,
    drifted_values,
    movement_of,
    noise_of,
    stability_index,
)
from training.recommenders.recipe import default_recipe


def test_the_index_is_that_of_its_definition() -> None:
    p, q = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert stability_index(p, q) == pytest.approx(-0.25 * log(0.5) + 0.25 * log(1.5))
    assert stability_index(p, p) == 0


def test_an_empty_bin_is_far_and_not_infinitely_far() -> None:
    assert 5 < stability_index(np.array([1.0, 0.0]), np.array([0.0, 1.0])) < 50


def test_the_same_values_are_stable() -> None:
    values = np.arange(500.0)
    found = drifted_values("x", values, values)
    assert (found.psi, found.ks, found.movement) == (0, 0, "stable")
    assert (found.a, found.b, found.kind) == (249.5, 249.5, "feature")


def test_a_shift_of_many_customers_is_drift() -> None:
    random = np.random.default_rng(1)
    first, second = random.normal(0, 1, 2_000), random.normal(1, 1, 2_000)
    found = drifted_values("x", first, second, score=True)
    assert found.movement == "drifted"
    assert found.kind == "score"
    assert found.ks == pytest.approx(ks_2samp(first, second).statistic)


def test_chance_alone_is_stable_however_few_the_customers() -> None:
    random = np.random.default_rng(2)
    found = [
        drifted_values("x", random.normal(size=30), random.normal(size=30)) for _ in range(200)
    ]
    above = sum(one.psi > 0.25 for one in found)
    drifted = sum(one.movement != "stable" for one in found)
    assert above > 50  # the thresholds alone would often cry wolf
    assert drifted <= 10  # one in twenty


def test_a_feature_that_is_mostly_nothing_has_a_bin_for_nothing() -> None:
    first = np.concatenate([np.zeros(950), np.ones(50)])
    second = np.concatenate([np.zeros(500), np.ones(500)])
    found = drifted_values("x", first, second)
    index = (0.5 - 0.95) * log(0.5 / 0.95) + 0.45 * log(0.5 / 0.05)
    assert found.psi == pytest.approx(index, rel=0.02)


def test_a_value_that_all_have_moves_when_it_steps_aside() -> None:
    found = drifted_values("x", np.full(200, 0.37), np.full(200, 0.36))
    assert (found.movement, found.ks) == ("drifted", 1)


def test_noise_falls_with_customers() -> None:
    assert noise_of(10, 100, 100) == pytest.approx(16.919 * 0.02, rel=1e-3)
    assert noise_of(10, 1e4, 1e4) < 0.004
    assert noise_of(1, 10, 10) == 0


def test_thresholds_are_the_customary_ones() -> None:
    found = [movement_of(index, 0.05) for index in (0.04, 0.099, 0.1, 0.249, 0.25)]
    assert found == ["stable", "stable", "moved", "moved", "drifted"]
    assert movement_of(0.4, 0.5) == "stable"


def test_only_features_that_both_know_are_compared() -> None:
    one, none = np.ones(3), np.ones(0)
    found = drifted_features({"x": one, "y": one, "z": one}, {"x": one, "z": none})
    assert [drifted.name for drifted in found] == ["x"]


def test_items_that_are_wanted_otherwise_drift() -> None:
    bundle = default_recipe("popularity").fit(checkerboard_dataset(), AT)
    assert drifted_items(bundle, bundle).psi == 0
    turned = type(bundle)(
        bundle.manifest,
        tuple(f"new {item}" for item in bundle.items),
        bundle.arrays,
    )
    found = drifted_items(bundle, turned)
    assert found.ks == pytest.approx(1, abs=1e-6)
    assert found.psi > 5
    assert (found.a > 0.5, found.b) == (True, 0)


def test_items_that_only_the_second_knows_are_a_bin_of_their_own() -> None:
    halves, quarters = np.array([2, 2], np.float32), np.array([1, 1, 2], np.float32)
    first = bundle_of("popularity", ("a", "b"), arrays={"popularity": halves})
    second = bundle_of("popularity", ("a", "b", "new"), arrays={"popularity": quarters})
    shares = np.array([0.5, 0.5, 0.0]), np.array([0.25, 0.25, 0.5])
    assert drifted_items(first, second).psi == pytest.approx(stability_index(*shares))
