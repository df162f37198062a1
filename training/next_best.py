"""Next-best action: one of five things to do about a customer, by a table that a marketer can read.

The first line that fits decides:

========== ======================================================================================
rest       has unsubscribed or complained
rest       got a mail less than 2 days ago
rest       got more than 26 mails in the last 91 days: over two a week
win_back   is likely to stop buying (churn band `high`; without a score, segment `lapsing` or
           `lapsed`), and is worth at least as much as the customer in the middle
replenish  an item or a category is due again (features/definitions/replenishment.py)
cross_sell bought on 3 days or more, and 60 % or more of it in one category
recommend  anyone else
========== ======================================================================================

Worth is the expected value of a quarter while the customer stays one. Whether the customer stays
is the other question, and the band answers it: a worth that fell with the chance of staying would
call everybody worthless who is about to go. Who is likely to stop and is worth little gets ordinary
mail, since winning back costs more than it brings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.profile import NextBest
from training.affinity import Due
from training.churn.bands import Band
from training.segments import LAPSED, LAPSING

Floats = NDArray[np.float64]

WIN_BACK: Final = "win_back"
REPLENISH: Final = "replenish"
CROSS_SELL: Final = "cross_sell"
RECOMMEND: Final = "recommend"
REST: Final = "rest"
ACTIONS: Final = (WIN_BACK, REPLENISH, CROSS_SELL, RECOMMEND, REST)

PAUSE_DAYS: Final = 2
MOST_MAILS: Final = 26
HABIT_DAYS: Final = 3
HABIT_SHARE: Final = 0.6
QUARTER: Final = 91
"""Days."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """What the policy looks at, of one customer.

    Attributes:
        contactable: Whether mail may be sent.
        mailed_days: Days since the last mail; None without one.
        mails: In the last 91 days.
        bought_days: Days with a purchase.
        silent_days: Days since the last of them.
        worth: Expected value of a quarter.
        middle: The worth of the customer in the middle.
        segment: The customer's segment.
        churn: Probability of churn; None without a score.
        band: Of it.
        favourite: The category most bought of; None without one.
        share: Of the purchases, in it.
        due: What is due again; None where nothing is.
        due_name: How a reader knows it.
    """

    contactable: bool = True
    mailed_days: float | None = None
    mails: int = 0
    bought_days: int = 0
    silent_days: float = 0.0
    worth: float = 0.0
    middle: float = 0.0
    segment: str = ""
    churn: float | None = None
    band: Band | None = None
    favourite: str | None = None
    share: float = 0.0
    due: Due | None = None
    due_name: str = ""


def next_best(one: Standing) -> NextBest:
    """What to do next about a customer, and why: the first rule that fits."""
    action, reason = next((action, said) for action, rule in RULES if (said := rule(one)))
    item, category = None, None
    if action == REPLENISH and one.due is not None:
        item, category = one.due.item, one.due.category
    elif action in (CROSS_SELL, RECOMMEND):
        category = one.favourite
    return NextBest(action, reason, item=item, category=category, worth=round(one.worth, 2))


def worth(features: Mapping[str, Floats], pace: Floats | None = None) -> Floats:
    """What each customer buys in a quarter while staying one, (customers,): its expected value.

    Purchases at the customer's pace times the mean spend of one; where the shop's events bear no
    money, purchases alone.

    Args:
        features: Name → (customers,); reads `spend_per_purchase_day`, `purchase_days` and
            `buying_days`.
        pace: Days with a purchase in a quarter of a customer who stays, (customers,); without it,
            those so far over the time since the first, at least a quarter: so a first basket is no
            habit, and silence counts.
    """
    if pace is None:
        pace = features["purchase_days"] * QUARTER / np.maximum(features["buying_days"], QUARTER)
    spend = features["spend_per_purchase_day"]
    return np.asarray(pace * spend if spend.any() else pace)


def middle(worths: Floats) -> float:
    """The worth of the customer in the middle, of those who ever bought; 0 where nobody did."""
    bought = worths[worths > 0]
    return float(np.median(bought)) if len(bought) else 0.0


def _without_consent(one: Standing) -> str | None:
    return None if one.contactable else "Has unsubscribed or complained."


def _just_mailed(one: Standing) -> str | None:
    if one.mailed_days is None or one.mailed_days >= PAUSE_DAYS:
        return None
    return f"Got a mail less than {PAUSE_DAYS} days ago."


def _mailed_often(one: Standing) -> str | None:
    return None if one.mails <= MOST_MAILS else f"Got {one.mails} mails in the last 91 days."


def _leaving(one: Standing) -> str | None:
    leaves = one.segment in (LAPSING, LAPSED) if one.band is None else one.band == "high"
    if not leaves or one.worth < one.middle:
        return None
    sign = f"last bought {one.silent_days:.0f} days ago"
    if one.churn is not None:
        sign = f"{one.churn:.0%} likely to stop buying, {sign}"
    return f"Is worth more than most customers; {sign}."


def _due(one: Standing) -> str | None:
    if one.due is None:
        return None
    every, ago = f"{one.due.gap_days:.0f} days", f"{one.due.since_days:.0f} days ago"
    if one.due.own:
        return f"Buys {one.due_name} about every {every}, last {ago}."
    return f"Bought {one.due_name} {ago}; others do again after about {every}."


def _one_sided(one: Standing) -> str | None:
    if one.bought_days < HABIT_DAYS or one.share < HABIT_SHARE:
        return None
    return f"Buys little beside {one.favourite} ({one.share:.0%}): show what else there is."


def _otherwise(one: Standing) -> str:
    if not one.bought_days:
        return "Has bought nothing yet: show what others like."
    if one.favourite is None:
        return "Nothing special is called for: show what fits."
    return f"Nothing special is called for: show what fits, {one.favourite} above all."


RULES: Final[tuple[tuple[str, Callable[[Standing], str | None]], ...]] = (
    (REST, _without_consent),
    (REST, _just_mailed),
    (REST, _mailed_often),
    (WIN_BACK, _leaving),
    (REPLENISH, _due),
    (CROSS_SELL, _one_sided),
    (RECOMMEND, _otherwise),
)
"""Action and what gives its reason, or None where it does not fit; the last one always fits."""
