"""What the algorithms fitted: plain arrays, log-odds out of a table, and what each column adds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from training.churn.trees import Trees, trees_from

BLEND: Final = "blend"
"""Gradient boosting on everything, blended with a logistic regression on BG/NBD."""
RFM_LOGISTIC: Final = "rfm_logistic"
BG_NBD: Final = "bg_nbd"
Algorithm = Literal["blend", "rfm_logistic", "bg_nbd"]

Floats = NDArray[np.float64]


class Core(Protocol):
    """What an algorithm fitted."""

    def log_odds(self, table: Floats) -> Floats:
        """Log-odds of churn, (rows,), of a table (rows, columns)."""
        ...

    def contributions(self, table: Floats) -> tuple[Floats, float]:
        """What each column adds, (rows, columns), and what it is added to: in sum, the log-odds."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As files keep them."""
        ...


@dataclass(frozen=True, eq=False)
class Logistic:
    """Logistic regression on standardised columns, some of them as ln(1 + x).

    Attributes:
        logged: 1 where ln(1 + x) is read, uint8 (columns,); a value below 0 counts as 0 there.
        center: Subtracted, (columns,).
        scale: Divides, positive, (columns,).
        weight: Of each, (columns,); 0 where a column is not read.
        bias: Added.
    """

    logged: NDArray[np.uint8]
    center: Floats
    scale: Floats
    weight: Floats
    bias: float

    def log_odds(self, table: Floats) -> Floats:
        """Log-odds, (rows,); a missing value counts as 0."""
        added, base = self.contributions(table)
        return np.asarray(added.sum(axis=1) + base)

    def contributions(self, table: Floats) -> tuple[Floats, float]:
        """What each column adds to the log-odds of the average customer."""
        read = as_logged(table, self.logged)
        return (read - self.center) / self.scale * self.weight, self.bias

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As files keep them."""
        parts = {"center": self.center, "scale": self.scale, "weight": self.weight}
        return {"logged": self.logged, **parts, "bias": np.array([self.bias])}


def as_logged(table: Floats, logged: NDArray[np.uint8]) -> Floats:
    """A table with ln(1 + x) in some columns, and 0 for missing values."""
    known = np.nan_to_num(table)
    return np.where(logged == 1, np.log1p(np.maximum(known, 0)), known)


@dataclass(frozen=True, eq=False)
class Blend:
    """A weighted mean of the log-odds of trees and of a logistic regression.

    Attributes:
        trees: One.
        logistic: The other.
        share: Weight of the trees, in [0, 1].
    """

    trees: Trees
    logistic: Logistic
    share: float

    def log_odds(self, table: Floats) -> Floats:
        """Log-odds, (rows,)."""
        trees, logistic = self.trees.log_odds(table), self.logistic.log_odds(table)
        return np.asarray(self.share * trees + (1 - self.share) * logistic)

    def contributions(self, table: Floats) -> tuple[Floats, float]:
        """The mean of what a column adds in both."""
        trees, grown = self.trees.contributions(table)
        logistic, bias = self.logistic.contributions(table)
        rest = 1 - self.share
        return self.share * trees + rest * logistic, self.share * grown + rest * bias

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As files keep them."""
        both = {**self.trees.arrays(), **self.logistic.arrays()}
        return {**both, "share": np.array([self.share])}


def open_core(algorithm: Algorithm, arrays: Mapping[str, NDArray[Any]], columns: int) -> Core:
    """What an algorithm fitted, out of its arrays.

    Raises:
        BundleError: An array is missing or does not fit; the message names it.
    """
    logistic = _logistic_from(arrays, columns)
    if algorithm != BLEND:
        return logistic
    _check_shapes(arrays, {"share": (1,)})
    share = float(arrays["share"][0])
    if not 0 <= share <= 1:
        message = f"churn model: share is {share}, not in [0, 1]; fetch or train it again"
        raise BundleError(message)
    return Blend(trees_from(arrays, columns), logistic, share)


def _logistic_from(arrays: Mapping[str, NDArray[Any]], columns: int) -> Logistic:
    names = ("logged", "center", "scale", "weight")
    _check_shapes(arrays, {**dict.fromkeys(names, (columns,)), "bias": (1,)})
    if not (arrays["scale"] > 0).all():
        message = "churn model: array scale must be positive; fetch or train it again"
        raise BundleError(message)
    return Logistic(**{name: arrays[name] for name in names}, bias=float(arrays["bias"][0]))


def _check_shapes(
    arrays: Mapping[str, NDArray[Any]], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape:
            message = f"churn model: array {name} must be there, {shape}; fetch or train it again"
            raise BundleError(message)
