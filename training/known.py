"""What the lake says of every customer, and what of it is published."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features import columns as c
from features.definitions.table import feature_table
from features.definitions.window import DAY_SECONDS
from features.event import EventType
from features.item import Item
from features.lake import Lake
from features.profile import Profile, Published
from training.affinity import Due, Leanings, load_leanings
from training.churn.bands import Band
from training.churn.model import ChurnModel
from training.churn.rhythm import buyers_of
from training.churn.snapshots import active_customers, columns_of
from training.next_best import QUARTER, Standing, middle, next_best, worth
from training.segments import NEW, segments
from training.staging import Plan

CHURN: Final = "churn"
"""Name of its score and its band."""
DRIVERS: Final = 3
"""Kept of a customer, the strongest."""
DECIMALS: Final = 4
"""Of a driver's contribution."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Scored:
    """What a churn model says of every customer.

    Attributes:
        chance: Probability (customers,), NaN where a customer is not active.
        bands: Of each probability.
        drivers: Of each active customer: row → feature → what it adds to the log-odds.
    """

    chance: Floats
    bands: Sequence[Band]
    drivers: Mapping[int, dict[str, float]]


@dataclass(frozen=True, eq=False)
class Known:
    """What the lake says of every customer in it.

    Attributes:
        customers: Customer keys.
        features: Feature name → (customers,).
        segments: Of each customer.
        worth: What each customer buys in a quarter, (customers,).
        scored: By the churn model; None without one.
        leanings: Categories bought of, and what is due again.
        catalogue: Item id → item.
        now: When it is published, aware.
    """

    customers: Sequence[str]
    features: Mapping[str, Floats]
    segments: Sequence[str]
    worth: Floats
    scored: Scored | None
    leanings: Leanings
    catalogue: Mapping[str, Item]
    now: datetime

    @cached_property
    def rows(self) -> dict[str, int]:
        """Customer key → row."""
        return {customer: row for row, customer in enumerate(self.customers)}

    @cached_property
    def middle(self) -> float:
        """The worth of the customer in the middle."""
        return middle(self.worth)

    def published(self, profile: Profile) -> Published:
        """All but the slates and the models' versions."""
        at, standing = int(self.now.timestamp()), self.standing(profile)
        row = self.rows.get(profile.customer)
        if row is None:
            return Published(at=at, segment=standing.segment, next_best=next_best(standing))
        return Published(
            at=at,
            segment=standing.segment,
            features={name: float(column[row]) for name, column in self.features.items()},
            scores={} if standing.churn is None else {CHURN: standing.churn},
            bands={} if standing.band is None else {CHURN: standing.band},
            affinities=self.leanings.affinities.get(profile.customer, {}),
            drivers={} if self.scored is None else self.scored.drivers.get(row, {}),
            next_best=next_best(standing),
        )

    def standing(self, profile: Profile) -> Standing:
        """What the policy looks at; consent and the last mail are from the profile, as of now."""
        mailed = profile.history.latest.get(EventType.EMAIL_SENT)
        contact = Standing(
            contactable=profile.history.contactable(),
            mailed_days=None if mailed is None else (self.now.timestamp() - mailed) / DAY_SECONDS,
            segment=NEW,
        )
        row = self.rows.get(profile.customer)
        if row is None:
            return contact
        chance, band = self._chance(row)
        affinities = self.leanings.affinities.get(profile.customer, {})
        due = self._due(profile.customer)
        return replace(
            contact,
            mails=int(self.features["emails_91d"][row]),
            bought_days=int(self.features["purchase_days"][row]),
            silent_days=float(self.features["recency_days"][row]),
            worth=float(self.worth[row]),
            middle=self.middle,
            segment=self.segments[row],
            churn=chance,
            band=band,
            favourite=next(iter(affinities), None),
            share=max(affinities.values(), default=0.0),
            due=due,
            due_name="" if due is None else self._name(due),
        )

    def _chance(self, row: int) -> tuple[float, Band] | tuple[None, None]:
        """Probability and band; none where a customer is not active, or without a model."""
        if self.scored is None or np.isnan(self.scored.chance[row]):
            return None, None
        return float(self.scored.chance[row]), self.scored.bands[row]

    def _due(self, customer: str) -> Due | None:
        """What is due again, if a mail may show it."""
        due = self.leanings.due.get(customer)
        if due is None or due.item is None:
            return due
        item = self.catalogue.get(due.item)
        return due if item is not None and item.available_at(self.now) else None

    def _name(self, due: Due) -> str:
        """How a reader knows what is due: an item by its title."""
        return due.category or self.catalogue[due.item or ""].title


def know(
    lake: Lake,
    churn: ChurnModel | None,
    plan: Plan,
    catalogue: Mapping[str, Item],
    now: datetime,
) -> Known:
    """Features, scores, segments and leanings of everybody in the lake, as of the plan's moment.

    Args:
        lake: History.
        churn: Scores; None without a champion.
        plan: Says as of when, and the version of the table of events.
        catalogue: Item id → item.
        now: Aware.

    Raises:
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
    """
    table = feature_table(lake, plan.as_of, plan.lake_version)
    customers: list[str] = table.column(c.CUSTOMER).to_pylist()
    features = columns_of(table)
    return Known(
        customers=customers,
        features=features,
        segments=segments(features),
        worth=worth(features, _pace(churn, features)),
        scored=None if churn is None else _scored(lake, churn, plan, customers, features),
        leanings=load_leanings(lake, plan.as_of, plan.lake_version),
        catalogue=catalogue,
        now=now,
    )


def _scored(
    lake: Lake,
    churn: ChurnModel,
    plan: Plan,
    customers: Sequence[str],
    features: Mapping[str, Floats],
) -> Scored:
    lately = timedelta(days=churn.manifest.active_days)
    active = active_customers(lake, plan.as_of, lately, plan.lake_version)
    rows = [row for row, customer in enumerate(customers) if customer in active]
    asked = {name: column[rows] for name, column in features.items()}
    chance = np.full(len(customers), np.nan)
    chance[rows] = churn.probability(asked)
    drivers = churn.drivers(asked, DRIVERS)
    said = ({one.feature: round(one.contribution, DECIMALS) for one in of} for of in drivers)
    return Scored(chance, churn.band(chance), dict(zip(rows, said, strict=True)))


def _pace(churn: ChurnModel | None, features: Mapping[str, Floats]) -> Floats | None:
    """Purchase days in a quarter of who stays, by BG/NBD; None where no model holds one.

    The mean of the gamma distribution of the rate, given the past and that the customer has not
    stopped (Fader, Hardie & Lee 2005): like the customer's own pace, drawn to that of all the less
    is known.
    """
    bgnbd = None if churn is None else churn.manifest.bgnbd
    if bgnbd is None:
        return None
    buyers = buyers_of(features)
    rate = (bgnbd.r + buyers.frequency) / (bgnbd.alpha + buyers.age)
    return np.where(features["purchase_days"] > 0, QUARTER * rate, 0.0)
