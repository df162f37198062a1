"""Who gets which mail, as a person can read it: a tree of few leaves over what was chosen."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier

from training.uplift.campaign import Campaign

MOST: Final = 4
"""Groups."""
LEAST: Final = 0.05
"""Share of the customers in a group."""


@dataclass(frozen=True)
class Group:
    """Customers of one kind.

    Attributes:
        who: The kind, like `mens is 1 and recency ≤ 6`.
        arm: What most of them should get.
        customers: How many there are.
        agree: Share of them who should get it.
        gain: Mean predicted effect of it on them, less its cost.
    """

    who: str
    arm: str
    customers: int
    agree: float
    gain: float


def groups(
    campaign: Campaign, chosen: NDArray[np.int64], gains: NDArray[np.float64]
) -> tuple[Group, ...]:
    """The policy in at most `MOST` groups, the largest first.

    Args:
        campaign: Whose customers they are.
        chosen: Place of the arm that each customer should get, (customers,).
        gains: Predicted effect less cost of each arm, (customers, arms).
    """
    tree = DecisionTreeClassifier(max_leaf_nodes=MOST, min_samples_leaf=LEAST, random_state=0)
    tree.fit(campaign.features, chosen)
    leaf = tree.apply(campaign.features)
    found = []
    for node, who in _leaves(tree.tree_, campaign):
        inside = leaf == node
        arm = int(np.bincount(chosen[inside]).argmax())
        found.append(
            Group(
                who=who,
                arm=campaign.arms[arm],
                customers=int(inside.sum()),
                agree=float((chosen[inside] == arm).mean()),
                gain=float(gains[inside, arm].mean()),
            )
        )
    return tuple(sorted(found, key=lambda one: -one.customers))


def _leaves(tree: object, campaign: Campaign) -> Iterator[tuple[int, str]]:
    """Each leaf of a tree, and the way to it in words."""
    left, right, feature, threshold = (
        getattr(tree, name) for name in ("children_left", "children_right", "feature", "threshold")
    )
    waiting: list[tuple[int, tuple[str, ...]]] = [(0, ())]
    while waiting:
        node, way = waiting.pop()
        if left[node] == right[node]:
            yield node, " and ".join(way) or "everybody"
            continue
        below, above = _sides(campaign, feature[node], threshold[node])
        waiting += [(right[node], (*way, above)), (left[node], (*way, below))]


def _sides(campaign: Campaign, column: int, threshold: float) -> tuple[str, str]:
    """Both sides of a split in words: `mens is 0` and `mens is 1`, `age ≤ 30` and `age > 30`."""
    name = campaign.names[column]
    if not np.isin(campaign.features[:, column], (0, 1)).all():
        return f"{name} ≤ {threshold:.4g}", f"{name} > {threshold:.4g}"
    kind, told, value = name.partition("=")
    return (
        (f"{kind} is not {value}", f"{kind} is {value}")
        if told
        else (f"{name} is 0", f"{name} is 1")
    )
