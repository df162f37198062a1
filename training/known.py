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
from features.event import EventType
from features.item import Item
from features.lake import Lake
from features.profile import Profile, Published
from training.affinity import Due, Leanings, load_leanings
from training.churn.bands import Band
from training.churn.model import ChurnModel
from training.churn.snapshots import active_customers, columns_of
from training.next_best import Standing, middle, next_best, worth
from training.segments import NEW, segments
from training.staging import Plan

CHURN: Final = "churn"
"""Name of its score and its band."""
DAY_SECONDS: Final = 86_400


@dataclass(frozen=True, eq=False)
class Known:
    """What the lake says of every customer in it.

    Attributes:
        customers: Customer keys.
        features: Feature name → (customers,).
        churn: Probability (customers,), NaN where a customer is not active; None without a model.
        bands: Of each probability.
        segments: Of each customer.
        leanings: Categories bought of, and what is due again.
        catalogue: Item id → item.
        now: When it is published, aware.
    """

    customers: Sequence[str]
    features: Mapping[str, NDArray[np.float64]]
    churn: NDArray[np.float64] | None
    bands: Sequence[Band]
    segments: Sequence[str]
    leanings: Leanings
    catalogue: Mapping[str, Item]
    now: datetime

    @cached_property
    def rows(self) -> dict[str, int]:
        """Customer key → row."""
        return {customer: row for row, customer in enumerate(self.customers)}

    @cached_property
    def worth(self) -> NDArray[np.float64]:
        """What each customer buys in a quarter, (customers,)."""
        return worth(self.features)

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
        scored = self.churn is not None and np.isfinite(self.churn[row])
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
            churn=float(self.churn[row]) if self.churn is not None and scored else None,
            band=self.bands[row] if scored else None,
            favourite=next(iter(affinities), None),
            share=max(affinities.values(), default=0.0),
            due=due,
            due_name="" if due is None else self._name(due),
        )

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
    features = columns_of(table, np.arange(len(customers)))
    chance, bands = _churn(lake, churn, plan, customers, features)
    return Known(
        customers=customers,
        features=features,
        churn=chance,
        bands=bands,
        segments=segments(features),
        leanings=load_leanings(lake, plan.as_of, plan.lake_version),
        catalogue=catalogue,
        now=now,
    )


def _churn(
    lake: Lake,
    churn: ChurnModel | None,
    plan: Plan,
    customers: Sequence[str],
    features: Mapping[str, NDArray[np.float64]],
) -> tuple[NDArray[np.float64] | None, Sequence[Band]]:
    if churn is None:
        return None, ()
    lately = timedelta(days=churn.manifest.active_days)
    active = active_customers(lake, plan.as_of, lately, plan.lake_version)
    chance = churn.probability(features)
    bands = churn.band(chance)
    chance[[customer not in active for customer in customers]] = np.nan
    return chance, bands
