"""Campaigns whose truth is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from training.uplift.campaign import Campaign

Floats = NDArray[np.float64]

ARMS = ("none", "red", "blue")
NAMES = ("age", "taste", "noise")


def simulated(
    effect: Callable[[Floats], Floats], *, customers: int = 3_000, seed: int = 2
) -> Campaign:
    """A campaign of three arms, by chance and in unequal shares.

    Args:
        effect: Features (customers, 3), uniform in [0, 1) → what red and blue add, (customers, 2).
        customers: How many.
        seed: Of everything.
    """
    random = np.random.default_rng(seed)
    features = random.random((customers, 3))
    arm = random.choice(3, size=customers, p=[0.3, 0.4, 0.3])
    added = np.column_stack([np.zeros(customers), effect(features)])[np.arange(customers), arm]
    outcome = 1 + features[:, 0] + added + random.normal(scale=0.5, size=customers)
    return Campaign(NAMES, features, ARMS, arm.astype(np.int64), outcome, "spend")


def crossing(features: Floats) -> Floats:
    """Red is for those of little taste, blue for the others."""
    likes = features[:, 1] > 0.5
    return np.column_stack([np.where(likes, -0.2, 0.5), np.where(likes, 0.5, -0.2)])


def same(features: Floats) -> Floats:
    """Red adds more than blue, to everybody the same."""
    return np.tile([0.4, 0.2], (len(features), 1))


def useless(features: Floats) -> Floats:
    """Mail does harm."""
    return np.tile([-0.3, -0.2], (len(features), 1))
