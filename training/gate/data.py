"""Is the history fresh, complete and sound: would anything that was fitted on it be true?

What is usual is told by the same weekday, or the same length of time, of the weeks before. A young
or small shop has too little of that, and passes: the other checks look at what was made of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import numpy as np

from features.event import EventType
from training.checks import check
from training.gate.history import DAYS, LATELY, WEEK, Counts, HistoryFacts
from training.reports import Check

ENOUGH: Final = 20
"""Events that must be expected before their absence says anything: none of 20 by chance is rarer
than one in a hundred million (Poisson)."""
WEEKS: Final = 4
"""Weeks that tell what is usual, at least."""
QUIET: Final = 0.05
"""A day with less than this share of what is usual for its weekday counts as missing."""
MISSING_DAYS: Final = 5
"""Of the last `LATELY` that may be missing: a shop that closes over Easter is not broken."""
COLLAPSED, FLOODED = 0.25, 5.0
"""The last week's events, as a share of the median week before, must lie between: seasons halve and
double what customers do."""
TYPE_GONE, TYPE_FLOODED = 0.1, 10.0
"""The same for each type that models learn from."""
REPEATED: Final = 0.15
"""Share of the last interactions that may repeat another to the letter: tills that count lines
twice reach some per cent, a feed that is sent twice half."""
ONE_CUSTOMER: Final = 0.2
"""Share of the last interactions that one customer may have made."""
ONE_ITEM: Final = 0.5
"""Share of them that one item may have got."""
FEW_CUSTOMERS: Final = 20
"""A shop with fewer lately may well live of one of them."""
IN_FUTURE: Final = 0.001
"""Share of events that may lie in the future: a sender's clock or two."""
BROKEN: Final = 0.001
"""Share of the last interactions whose amounts may be no sane numbers."""
PRICE_MOVES: Final = 3.0
"""How many times the typical price may have risen or fallen within a week: pence for pounds are
100, a sale is less than 3."""

LEARNT: Final = (EventType.VIEW, EventType.CART, EventType.PURCHASE, EventType.RETURN)
"""Types whose usual number is told: mails come in bursts."""


def check_history(
    facts: HistoryFacts, fresh_days: int, champion_as_of: datetime | None
) -> tuple[Check, ...]:
    """All that is looked at in a history.

    Args:
        facts: Of it.
        fresh_days: How old its latest event may be.
        champion_as_of: The end of what the champion's twin was made of; None without a champion.
    """
    return (
        check_fresh(facts, fresh_days, champion_as_of),
        check_clock(facts),
        check_days(facts),
        check_volume(facts),
        check_types(facts),
        check_repeated(facts),
        check_flood(facts),
        check_amounts(facts),
        check_prices(facts),
    )


def check_fresh(facts: HistoryFacts, fresh_days: int, champion_as_of: datetime | None) -> Check:
    """The latest event is of these days, and later than what the champion was made of.

    Without a champion, a model of an old history is better than none.
    """
    age = (facts.now - facts.last) / timedelta(days=1)
    older = champion_as_of is not None and facts.last < champion_as_of
    stale = champion_as_of is not None and age > fresh_days
    found = f"the latest event is of {facts.last:%Y-%m-%d %H:%M}, {age:.1f} days old"
    if older:
        found += f", and the champion was judged on events up to {champion_as_of:%Y-%m-%d}"
    return check(
        "fresh",
        passed=not stale and not older,
        found=found,
        cure=f"at most {fresh_days} (HOMING_FRESH_DAYS) may pass: is the ingest loop running?",
        evidence={"age_days": age, "at_most": fresh_days},
    )


def check_clock(facts: HistoryFacts) -> Check:
    """Hardly an event lies in the future."""
    share = facts.ahead / max(1, facts.ahead + int(facts.total.sum()))
    return check(
        "clock",
        passed=share <= IN_FUTURE,
        found=f"{facts.ahead:,} events lie in the future",
        cure="correct the sender's clock or time zone",
        evidence={"ahead": facts.ahead, "share": share, "at_most": IN_FUTURE},
    )


def check_days(facts: HistoryFacts) -> Check:
    """Hardly a day is missing that should hold events."""
    daily = facts.total
    missing = [place for place in range(DAYS - LATELY, DAYS) if _missing(daily, place, facts.young)]
    return check(
        "days",
        passed=len(missing) <= MISSING_DAYS,
        found=f"{len(missing)} of the last {LATELY} days hold next to nothing",
        cure=(
            f"{MISSING_DAYS} may: import what is missing; if the shop was closed, wait or promote "
            "by force"
        ),
        evidence={"missing": len(missing), "at_most": MISSING_DAYS},
    )


def check_volume(facts: HistoryFacts) -> Check:
    """The last week is like the weeks before."""
    return _usual("volume", "events", facts.total, facts.young, (COLLAPSED, FLOODED))


def check_types(facts: HistoryFacts) -> Check:
    """No type that models learn from has vanished, or multiplied."""
    nothing = np.zeros(DAYS, np.int64)
    checks = [
        _usual(
            "types",
            kind.value,
            facts.counts.get(kind.value, nothing),
            facts.young,
            (TYPE_GONE, TYPE_FLOODED),
        )
        for kind in LEARNT
    ]
    return next((one for one in checks if not one.passed), checks[LEARNT.index(EventType.PURCHASE)])


def check_repeated(facts: HistoryFacts) -> Check:
    """Hardly an interaction repeats another in everything but its id."""
    share = facts.repeated / max(1, facts.interactions)
    return check(
        "repeated",
        passed=facts.interactions < ENOUGH or share <= REPEATED,
        found=f"{share:.1%} of the last {facts.interactions:,} interactions repeat another",
        cure="a feed came twice under other ids; see to it that an event keeps its id",
        evidence={"share": share, "at_most": REPEATED},
    )


def check_flood(facts: HistoryFacts) -> Check:
    """No single customer and no single item makes the picture."""
    total = max(1, facts.interactions)
    customer, item = facts.top_customer / total, facts.top_item / total
    looked_at = facts.customers >= FEW_CUSTOMERS
    return check(
        "flood",
        passed=not looked_at or (customer <= ONE_CUSTOMER and item <= ONE_ITEM),
        found=(
            f"the busiest customer made {customer:.1%} and the busiest item got {item:.1%} of the "
            f"last interactions"
        ),
        cure="a robot, a till or a test account: leave it out",
        evidence={"customer": customer, "item": item},
    )


def check_amounts(facts: HistoryFacts) -> Check:
    """Quantities are positive numbers, and values numbers from 0."""
    share = facts.broken / max(1, facts.interactions)
    return check(
        "amounts",
        passed=share <= BROKEN,
        found=f"{facts.broken:,} purchases of the last {LATELY} days have no sane amount",
        cure="correct the mapping of quantity and value",
        evidence={"broken": facts.broken, "share": share, "at_most": BROKEN},
    )


def check_prices(facts: HistoryFacts) -> Check:
    """Money has not changed its unit."""
    now, before = facts.price, facts.price_before
    enough = min(now.purchases, before.purchases) >= ENOUGH
    times = now.typical / before.typical if enough else float("nan")
    return check(
        "prices",
        passed=not enough or 1 / PRICE_MOVES <= times <= PRICE_MOVES,
        found=f"a typical unit cost {now.typical:.2f} last week and {before.typical:.2f} before",
        cure="pence for pounds, or another currency: correct the mapping of value",
        evidence={"times": times, "at_most": PRICE_MOVES},
    )


def _usual(name: str, what: str, daily: Counts, young: int, bounds: tuple[float, float]) -> Check:
    """Whether the last week lies within bounds of the median week before."""
    weeks = daily[DAYS - young :][::-1]
    sums = [int(weeks[n : n + WEEK].sum()) for n in range(0, len(weeks) - WEEK + 1, WEEK)]
    if len(sums) <= WEEKS:
        return check(name, passed=True, found=f"history is too young to tell what {what} are usual")
    last, usual = sums[0], float(np.median(sums[1:]))
    low, high = bounds
    # Of what is rare, a rise can be told and a fall can't.
    fallen = usual >= ENOUGH and last < low * usual
    flooded = last > high * max(usual, ENOUGH)
    return check(
        name,
        passed=not fallen and not flooded,
        found=f"{what}: {last:,} in the last week, {usual:,.0f} in a usual one",
        cure="look at the senders: was a feed cut off, sent again, or are types mixed up?",
        evidence={"last": last, "usual": usual, "at_least": low * usual, "at_most": high * usual},
    )


def _missing(daily: Counts, place: int, young: int) -> bool:
    """Whether a day holds next to nothing of what is usual for its weekday."""
    before: Sequence[int] = daily[place % WEEK : place : WEEK].tolist()
    known = before[-((young - DAYS + place) // WEEK) :] if young - DAYS + place >= WEEK else []
    usual = float(np.median(known)) if len(known) >= WEEKS else 0.0
    return usual >= ENOUGH and daily[place] < QUIET * usual
