"""The two data versions: everybody's features at the end of each, and how far they moved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features import columns as c
from features.definitions.table import feature_table
from features.errors import InvalidArgument, LakeMissing, LakeUnavailable, NotEnoughData
from features.lake import Lake
from training.churn.model import ChurnModel
from training.churn.snapshots import active_customers, columns_of
from training.compare.drift import DRIFTED, MOVED, drifted_features, drifted_values
from training.compare.report import Drift, Drifted
from training.compare.sides import Side

KINDS: Final = ("score", "items", "feature")
"""The order in which drift is told: what customers get of it first."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class People:
    """Everybody at the end of a history.

    Attributes:
        lake: Holds the history.
        as_of: Its end.
        version: Of the table of events that was read.
        customers: Customer keys, ascending.
        features: Feature name → (customers,).
    """

    lake: Lake
    as_of: datetime
    version: int
    customers: tuple[str, ...]
    features: Mapping[str, Floats]
    _known: dict[int, frozenset[str]] = field(default_factory=dict, repr=False)

    def scores(self, model: ChurnModel) -> Floats:
        """What a churn model says of those who are active, (active customers,)."""
        active = self._active(model.manifest.active_days)
        rows = [row for row, customer in enumerate(self.customers) if customer in active]
        return model.probability({name: one[rows] for name, one in self.features.items()})

    def _active(self, days: int) -> frozenset[str]:
        if days not in self._known:
            lately = timedelta(days=days)
            self._known[days] = active_customers(self.lake, self.as_of, lately, self.version)
        return self._known[days]


@dataclass(frozen=True, eq=False)
class DataPair:
    """The data of two versions; read when first asked for.

    Attributes:
        lake: Holds both.
        a: The first version.
        b: The second.
    """

    lake: Lake
    a: Side
    b: Side

    @cached_property
    def people(self) -> tuple[People, People]:
        """Of a, of b.

        Raises:
            LakeMissing: There is no history.
            LakeUnavailable: It can't be read.
            NotEnoughData: A version does not say what it was made of.
        """
        return _people(self.lake, self.a), _people(self.lake, self.b)

    @property
    def same(self) -> bool:
        """Whether both were made of the same history."""
        return (self.a.as_of, self.a.lake_version) == (self.b.as_of, self.b.lake_version)

    def scores(self, models: Sequence[ChurnModel]) -> tuple[Drifted, ...]:
        """How far what each churn model says moved; nothing where the history is the same."""
        found: list[Drifted] = []
        if self.same:
            return ()
        for side, model in zip((self.a, self.b), models, strict=True):
            first, second = (one.scores(model) for one in self.people)
            if len(first) and len(second):
                found.append(drifted_values(f"score by {side.name}", first, second, score=True))
        return tuple(found)

    def drift(self, models: Sequence[Drifted]) -> Drift | None:
        """All of it; None where the lake does not hold it.

        Args:
            models: What the models show of it.
        """
        found, note = list(models), "both were made of the same history"
        asked = (self.a.lake_version, self.b.lake_version)
        try:
            if not self.same:
                first, second = self.people
                found += drifted_features(first.features, second.features)
                note = _note(asked, (first.version, second.version))
            return Drift(
                lake=asked,
                as_of=(self.a.as_of, self.b.as_of),
                moved_at=MOVED,
                drifted_at=DRIFTED,
                found=tuple(sorted(found, key=lambda one: (KINDS.index(one.kind), -one.psi))),
                note=note,
            )
        except (LakeMissing, LakeUnavailable, NotEnoughData):
            return None


def _people(lake: Lake, side: Side) -> People:
    version = side.lake_version
    if version is not None:
        try:
            return _read(lake, side.as_of, version)
        except (InvalidArgument, LakeUnavailable):
            pass  # its files are gone; the newest version holds the same events, and later ones
    return _read(lake, side.as_of, lake.version())


def _read(lake: Lake, as_of: datetime, version: int) -> People:
    table = feature_table(lake, as_of, version)
    customers = tuple(table.column(c.CUSTOMER).to_pylist())
    features = columns_of(table)
    return People(lake, as_of, version, customers, features)


def _note(asked: tuple[int | None, int | None], read: tuple[int, int]) -> str:
    if asked == read:
        return ""
    return (
        f"versions {asked[0]} and {asked[1]} of the lake are not there any more: the same days "
        f"were read from versions {read[0]} and {read[1]}, which hold what came late as well"
    )
