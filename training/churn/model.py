"""A churn model as data: what it says of itself, plain arrays, its probabilities and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from features.errors import BundleError
from serving.model.manifest import ArrayFile
from training.churn.bands import Band, Thresholds, bands
from training.churn.bgnbd import BgNbd
from training.churn.calibrate import Calibration
from training.churn.cores import Algorithm, Core
from training.churn.odds import sigmoid
from training.churn.rhythm import RHYTHM_COLUMNS, rhythm_columns

FORMAT: Final = 1
"""The version of the folder's layout that this code writes and reads."""

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
        features: Names of the features that it reads, in its order.
        bgnbd: Parameters whose columns it reads behind the features; None where it reads none.
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
    bgnbd: BgNbd | None = None
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

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all that its arrays know: features, then what BG/NBD says."""
        return self.features + (RHYTHM_COLUMNS if self.bgnbd else ())


class Driver(NamedTuple):
    """One of the things that drive a customer's probability.

    Attributes:
        feature: Its name, one of the manifest's columns.
        contribution: What it adds to the log-odds of churn, before calibration: above 0 it speaks
            for churn, below 0 for staying.
    """

    feature: str
    contribution: float


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
        log_odds = self.core.log_odds(self._table(features))
        return self.manifest.calibration.apply(sigmoid(log_odds))

    def contributions(self, features: Mapping[str, Floats]) -> tuple[Floats, float]:
        """What each of the manifest's columns adds to the log-odds before calibration.

        Args:
            features: As `probability`.

        Returns:
            (rows, columns), and what they are added to; together exactly the log-odds.

        Raises:
            BundleError: As `probability`; or a tree is too wide to be explained.
        """
        return self.core.contributions(self._table(features))

    def drivers(self, features: Mapping[str, Floats], top: int = 3) -> list[tuple[Driver, ...]]:
        """What drives each customer's probability most, the strongest first.

        Args:
            features: As `probability`.
            top: How many at the most; those that add nothing are left out.

        Raises:
            BundleError: As `contributions`.
        """
        added, _ = self.contributions(features)
        order = np.argsort(-np.abs(added), axis=1, kind="stable")[:, :top]
        strongest = np.take_along_axis(added, order, axis=1)
        names = self.manifest.columns
        return [
            tuple(Driver(names[place], value) for place, value in zip(*row, strict=True) if value)
            for row in zip(order.tolist(), strongest.tolist(), strict=True)
        ]

    def band(self, probabilities: Floats) -> list[Band]:
        """The band of each probability."""
        return bands(probabilities, self.manifest.thresholds)

    def _table(self, features: Mapping[str, Floats]) -> Floats:
        says = self.manifest
        missing = [name for name in says.features if name not in features]
        if missing:
            message = (
                f"churn model reads feature {missing[0]}, which this version of Homing does not "
                "compute: train again"
            )
            raise BundleError(message)
        return table_of(features, says.features, says.bgnbd, says.horizon_days)


def table_of(
    features: Mapping[str, Floats], names: Sequence[str], bgnbd: BgNbd | None, ahead: int
) -> Floats:
    """What a core reads, (rows, columns).

    Args:
        features: Name → values, (rows,).
        names: Of the features that are read.
        bgnbd: Whose columns are read behind them; None for none.
        ahead: The horizon in days.
    """
    table = np.stack([features[name] for name in names], axis=1)
    if bgnbd is None:
        return table
    return np.hstack([table, rhythm_columns(bgnbd, features, ahead)])
