"""A churn model as data: what it says of itself, plain arrays, and the probability it gives."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, Protocol

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model.manifest import ArrayFile
from training.churn.bands import Band, Thresholds, bands
from training.churn.calibrate import Calibration, sigmoid
from training.churn.trees import trees_from

FORMAT: Final = 1
"""The version of the folder's layout that this code writes and reads."""

GRADIENT_BOOSTING: Final = "gradient_boosting"
RFM_LOGISTIC: Final = "rfm_logistic"
Algorithm = Literal["gradient_boosting", "rfm_logistic"]

Floats = NDArray[np.float64]


class ChurnFacts(msgspec.Struct, frozen=True, kw_only=True):
    """The data that a churn model was fitted on; counts and a checksum, never a customer.

    Attributes:
        as_of: Only events strictly before it were read, labels included; aware, UTC.
        lake_version: The version of the lake's events table.
        snapshots: The moments T whose customers were looked at, latest first.
        rows: Customers at those moments, together.
        churned: Of those.
        checksum: SHA-256 of features and labels, hex digits.
    """

    as_of: datetime
    lake_version: int
    snapshots: tuple[datetime, ...]
    rows: int
    churned: int
    checksum: str


class ChurnManifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a churn model says of itself.

    Attributes:
        format: `FORMAT`.
        algorithm: How it was fitted.
        params: Parameters of the fit.
        features: Names of the columns that it reads, in its order.
        horizon_days: Churn is no purchase within so many days.
        active_days: It speaks of customers with a purchase in so many days before.
        calibration: From the algorithm's probability to the one that is said.
        base_rate: Share that churned in the latest snapshot.
        thresholds: Of bands.
        arrays: Array name → its file.
        data: What it was fitted on.
        metrics: Metric name → value on held-out time, when it was judged.
        created_at: Aware, UTC.
        homing: Version of Homing that made it.
    """

    format: int = FORMAT
    algorithm: Algorithm
    params: dict[str, float | int | str | bool | None]
    features: tuple[str, ...]
    horizon_days: int
    active_days: int
    calibration: Calibration
    base_rate: float
    thresholds: Thresholds
    arrays: dict[str, ArrayFile] = {}
    data: ChurnFacts
    metrics: dict[str, float] = {}
    created_at: datetime
    homing: str


class Core(Protocol):
    """What an algorithm fitted: its arrays, and log-odds out of features."""

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds of churn, (rows,), of features (rows, columns)."""
        ...

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As files keep them."""
        ...


@dataclass(frozen=True, eq=False)
class Logistic:
    """Logistic regression on ln(1 + x), standardised.

    Attributes:
        center: Subtracted from ln(1 + x), (columns,).
        scale: Divides it, positive, (columns,).
        weight: Of each, (columns,).
        bias: Added.
    """

    center: Floats
    scale: Floats
    weight: Floats
    bias: float

    def log_odds(self, features: Floats) -> Floats:
        """Log-odds, (rows,); a missing or negative value counts as 0."""
        known = np.log1p(np.maximum(np.nan_to_num(features), 0))
        return np.asarray((known - self.center) / self.scale @ self.weight + self.bias)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """As files keep them."""
        parts = {"center": self.center, "scale": self.scale, "weight": self.weight}
        return {**parts, "bias": np.array([self.bias])}


def _logistic_from(arrays: Mapping[str, NDArray[Any]], columns: int) -> Logistic:
    shapes = {"center": (columns,), "scale": (columns,), "weight": (columns,), "bias": (1,)}
    for name, shape in shapes.items():
        if name not in arrays or arrays[name].shape != shape:
            message = f"churn model: array {name} must be there, {shape}; fetch or train it again"
            raise BundleError(message)
    if not (arrays["scale"] > 0).all():
        message = "churn model: array scale must be positive; fetch or train it again"
        raise BundleError(message)
    parts = {name: arrays[name] for name in ("center", "scale", "weight")}
    return Logistic(**parts, bias=float(arrays["bias"][0]))


def open_core(algorithm: Algorithm, arrays: Mapping[str, NDArray[Any]], columns: int) -> Core:
    """What an algorithm fitted, out of its arrays.

    Raises:
        BundleError: An array is missing or does not fit; the message names it.
    """
    if algorithm == GRADIENT_BOOSTING:
        return trees_from(arrays, columns)
    return _logistic_from(arrays, columns)


@dataclass(frozen=True, eq=False)
class ChurnModel:
    """A churn model.

    Attributes:
        manifest: What it says of itself.
        core: What the algorithm fitted.
    """

    manifest: ChurnManifest
    core: Core

    def probability(self, features: Mapping[str, Floats]) -> Floats:
        """The chance of no purchase within the horizon, (rows,), in [0, 1].

        Args:
            features: Name → values, (rows,), of customers who are active at that moment; must
                hold all of the manifest's features and may hold more.

        Raises:
            BundleError: A feature that the model reads is not there.
        """
        missing = [name for name in self.manifest.features if name not in features]
        if missing:
            message = (
                f"churn model reads feature {missing[0]}, which this version of Homing does not "
                "compute: train again"
            )
            raise BundleError(message)
        table = np.stack([features[name] for name in self.manifest.features], axis=1)
        return self.manifest.calibration.apply(sigmoid(self.core.log_odds(table)))

    def band(self, probabilities: Floats) -> list[Band]:
        """The band of each probability."""
        return bands(probabilities, self.manifest.thresholds)
