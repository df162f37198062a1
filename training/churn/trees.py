"""Gradient-boosted trees as plain arrays, and their sum in NumPy.

scikit-learn fits them; what is kept are plain arrays that anybody can read, so that loading a
model executes nothing and a model outlives the version of the library that fitted it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from training.churn.shapley import add_up, leaves_of

Floats = NDArray[np.float64]

DEPTH: Final = 64
"""The deepest tree that is accepted; more would be a loop."""
CHUNK: Final = 1_024
"""Rows summed at once."""


@dataclass(frozen=True, eq=False)
class Trees:
    """An ensemble of binary regression trees.

    Attributes:
        roots: Node of each tree's root, int32 (trees,), ascending from 0.
        feature: Column that a node looks at, int32 (nodes,).
        threshold: A row goes left when its value is at most this, float64 (nodes,).
        missing_left: 1 where a row without a value goes left, uint8 (nodes,).
        children: Left and right child, int32 (nodes, 2); a leaf is its own child.
        value: What a leaf adds to the log-odds, float64 (nodes,).
        cover: How many fitted rows came to a node, positive, float64 (nodes,).
        base: Log-odds before any tree.
    """

    roots: NDArray[np.int32]
    feature: NDArray[np.int32]
    threshold: Floats
    missing_left: NDArray[np.uint8]
    children: NDArray[np.int32]
    value: Floats
    cover: Floats
    base: float

    def log_odds(self, features: Floats) -> Floats:
        """The sum over trees, (rows,).

        Args:
            features: (rows, columns); NaN where there is no value.
        """
        if not len(features):
            return np.empty(0)
        parts = (features[at : at + CHUNK] for at in range(0, len(features), CHUNK))
        return np.concatenate([self._sum(part) for part in parts])

    def contributions(self, features: Floats) -> tuple[Floats, float]:
        """What each feature adds to the log-odds, (rows, columns), and their mean without any.

        Exact Shapley values: with the mean they sum to `log_odds`.

        Args:
            features: (rows, columns); NaN where there is no value.

        Raises:
            BundleError: A path is too wide to be explained.
        """
        leaves = leaves_of(self.children, self.feature, self.value, self.cover)
        mean = self.base + sum(leaf.mean for leaf in leaves)
        found = np.empty(features.shape)
        for at in range(0, len(features), CHUNK):
            part = features[at : at + CHUNK]
            found[at : at + CHUNK] = add_up(leaves, self._goes_right(part), features.shape[1])
        return found, mean

    def _goes_right(self, features: Floats) -> NDArray[np.bool_]:
        """Which way each row would go at each node, (nodes, rows)."""
        seen = features.T[self.feature]
        return np.asarray(
            np.where(
                np.isnan(seen), self.missing_left[:, None] == 0, seen > self.threshold[:, None]
            )
        )

    def _sum(self, features: Floats) -> Floats:
        node = np.broadcast_to(self.roots, (len(features), len(self.roots)))
        rows = np.arange(len(features))[:, None]
        for _ in range(DEPTH):
            seen = features[rows, self.feature[node]]
            right = np.where(
                np.isnan(seen), self.missing_left[node] == 0, seen > self.threshold[node]
            )
            below = self.children[node, right.astype(np.int8)]
            if np.array_equal(below, node):
                break
            node = below
        return np.asarray(self.base + self.value[node].sum(axis=1))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As files keep them."""
        return {
            "roots": self.roots,
            "feature": self.feature,
            "threshold": self.threshold,
            "missing_left": self.missing_left,
            "children": self.children,
            "value": self.value,
            "cover": self.cover,
            "base": np.array([self.base]),
        }


def trees_of(fitted: Any, kept: int) -> Trees:  # noqa: ANN401 - scikit-learn has no types
    """The first trees of a fitted binary `HistGradientBoostingClassifier` without categories.

    Args:
        fitted: The classifier.
        kept: How many of its trees.
    """
    # scikit-learn has no public way to its trees; a test holds that the sums agree.
    nodes = [stage[0].nodes for stage in fitted._predictors[:kept]]  # noqa: SLF001
    sizes = np.array([len(tree) for tree in nodes])
    roots = (np.cumsum(sizes) - sizes).astype(np.int32)
    joined = np.concatenate(nodes)
    leaf = joined["is_leaf"].astype(bool)
    own = np.arange(len(joined))
    start = np.repeat(roots, sizes)
    children = np.stack(
        [np.where(leaf, own, start + joined[side].astype(np.int64)) for side in ("left", "right")],
        axis=1,
    )
    return Trees(
        roots=roots,
        feature=np.where(leaf, 0, joined["feature_idx"]).astype(np.int32),
        # A split of the missing from all others has its threshold at infinity.
        threshold=np.nan_to_num(np.where(leaf, 0.0, joined["num_threshold"])),
        missing_left=joined["missing_go_to_left"].astype(np.uint8),
        children=children.astype(np.int32),
        value=np.where(leaf, joined["value"], 0.0),
        cover=joined["count"].astype(np.float64),
        base=float(fitted._baseline_prediction.ravel()[0]),  # noqa: SLF001
    )


def trees_from(arrays: Mapping[str, NDArray[Any]], columns: int) -> Trees:
    """The trees that files kept.

    Args:
        arrays: What `Trees.arrays` gave.
        columns: How many features there are.

    Raises:
        BundleError: An array is missing, of another shape or type, or points outside the trees.
    """
    try:
        named = {name: arrays[name] for name in ("roots", "feature", "missing_left", "children")}
        floats = {name: arrays[name] for name in ("threshold", "value", "cover")}
        base = arrays["base"]
    except KeyError as error:
        message = f"churn model: array {error} is missing; fetch or train it again"
        raise BundleError(message) from error
    trees = Trees(**named, **floats, base=float(base.ravel()[0]) if base.size == 1 else np.nan)
    fault = _fault(trees, columns)
    if fault:
        message = f"churn model: {fault}; fetch or train it again"
        raise BundleError(message)
    return trees


def _fault(trees: Trees, columns: int) -> str:
    """What is wrong with arrays that came from outside; "" when nothing is."""
    count = len(trees.value)
    shapes = {
        "feature": trees.feature.shape == (count,),
        "threshold": trees.threshold.shape == (count,),
        "missing_left": trees.missing_left.shape == (count,),
        "cover": trees.cover.shape == (count,) and bool((trees.cover > 0).all()),
        "children": trees.children.shape == (count, 2),
        "roots": trees.roots.ndim == 1 and trees.roots.size > 0,
        "base": bool(np.isfinite(trees.base)),
    }
    wrong = [name for name, fits in shapes.items() if not fits]
    if wrong:
        return f"array {wrong[0]} does not fit the other arrays"
    for name, limit in (("feature", columns), ("children", count), ("roots", count)):
        array = getattr(trees, name)
        if array.dtype.kind != "i" or array.min() < 0 or array.max() >= limit:
            return f"array {name} points outside [0, {limit})"
    # Children lie behind their parent or are the parent itself: so no path can go round.
    if (trees.children < np.arange(count)[:, None]).any():
        return "array children points backwards"
    return ""
