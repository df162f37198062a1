"""What each feature adds to the log-odds that trees say of a customer: exact Shapley values.

A feature that is not told is averaged over by how many fitted rows went either way ("path
dependent" TreeSHAP; Lundberg et al., "From local explanations to global understanding with
explainable AI for trees", 2020). On a path to a leaf the chance of arriving is a product with one
factor a feature, so that the Shapley value is an integral of a polynomial over the chance t that
a feature is told (Owen, "Multilinear extensions of games", 1972), which Gauss-Legendre points
give exactly. It depends on the row through one bit a feature only: hence a table a leaf.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

WIDEST: Final = 16
"""Features on one path at the most; its table has 2^features columns."""


@dataclass(frozen=True, eq=False)
class Leaf:
    """The way to a leaf, its splits in the order of their features.

    Attributes:
        nodes: The splits, (splits,).
        right: Which way the path goes at each, (splits, 1).
        starts: Where the splits of each feature begin, (features,).
        features: Columns of the features, ascending, (features,).
        table: What each feature adds, (features, 2^features), by the bits of which features' splits
            all go the leaf's way; the first feature's is the lowest bit.
        mean: What the leaf adds on average.
    """

    nodes: Ints
    right: NDArray[np.bool_]
    starts: Ints
    features: Ints
    table: Floats
    mean: float


def leaves_of(
    children: NDArray[np.int32], feature: NDArray[np.int32], value: Floats, cover: Floats
) -> list[Leaf]:
    """Every leaf with the way to it.

    Args:
        children: Left and right child, (nodes, 2); a leaf is its own child.
        feature: Column that a node looks at, (nodes,).
        value: What a leaf adds, (nodes,).
        cover: How many fitted rows came to a node, (nodes,).

    Raises:
        BundleError: A path has more than `WIDEST` features.
    """
    nodes = np.arange(len(children))
    inner = np.flatnonzero(children[:, 0] != nodes)
    parent = np.full(len(nodes), -1)
    parent[children[inner].ravel()] = np.repeat(inner, 2)
    made = []
    for leaf in np.setdiff1d(nodes, inner):
        below, path = _path(parent, int(leaf))
        order = np.argsort(feature[path], kind="stable")
        below, path = below[order], path[order]
        features, starts = np.unique(feature[path], return_index=True)
        if len(features) > WIDEST:
            message = f"churn model: {len(features)} features on one path; at most {WIDEST} can be"
            raise BundleError(message)
        share = _products(cover[below] / cover[path], starts)
        made.append(
            Leaf(
                nodes=path,
                right=(children[path, 1] == below)[:, None],
                starts=starts,
                features=features.astype(np.int64),
                table=value[leaf] * _table(share),
                mean=float(value[leaf] * share.prod()),
            )
        )
    return made


def add_up(leaves: list[Leaf], right: NDArray[np.bool_], columns: int) -> Floats:
    """What each feature adds to the sum over leaves, (rows, columns).

    Args:
        leaves: Of all trees.
        right: Which way each row would go at each node, (nodes, rows).
        columns: How many features there are.
    """
    found = np.zeros((columns, right.shape[1]))
    for leaf in leaves:
        if leaf.nodes.size:
            ways = right[leaf.nodes] == leaf.right
            told = np.logical_and.reduceat(ways, leaf.starts, axis=0)
            bits = (1 << np.arange(len(leaf.starts))) @ told
            found[leaf.features] += leaf.table[:, bits]
    return found.T


def _path(parent: Ints, leaf: int) -> tuple[Ints, Ints]:
    """The nodes from a leaf to below the root, and the parent of each."""
    path = [leaf]
    while parent[path[-1]] >= 0:
        path.append(int(parent[path[-1]]))
    return np.array(path[:-1], dtype=np.int64), np.array(path[1:], dtype=np.int64)


def _products(values: Floats, starts: Ints) -> Floats:
    return np.multiply.reduceat(values, starts) if len(values) else np.ones(0)


def _table(share: Floats) -> Floats:
    """Shapley values of reaching a leaf, (features, 2^features).

    Args:
        share: Of the fitted rows, that go the leaf's way at all splits of a feature, (features,).
    """
    count = len(share)
    told = (np.arange(1 << count) >> np.arange(count)[:, None]) & 1
    points, weights = np.polynomial.legendre.leggauss(max((count + 1) // 2, 1))
    chance = (points[:, None, None] + 1) / 2
    factors = share[:, None] * (1 - chance) + told * chance
    others = factors.prod(axis=1, keepdims=True) / factors
    return np.asarray((told - share[:, None]) * np.tensordot(weights / 2, others, axes=1))
