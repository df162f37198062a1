"""What churn means to a business, taken from the rhythm of its own customers.

How long a silence is a warning differs from shop to shop: a grocer's customer who stays away for
three weeks is gone, a gift shop's is between two occasions. Both spans come from the days between
a customer's purchase days, before held-out time begins:

- the horizon is as long as 95 of 100 gaps: who buys nothing for so long broke the habit;
- a customer is active up to the silence that only one gap in 100 outlasts: later there is nobody
  left to lose.

Gaps that have not ended yet are not among them, so both are rather short than long. Both are whole
weeks, so that every weekday weighs the same, and leave enough history to learn from.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Final

import ibis
import numpy as np
from numpy.typing import NDArray

from features import columns as c
from features.definitions.window import day_number, of_type
from features.engine import declared, open_engine
from features.errors import NotEnoughData
from features.event import EventType
from features.lake import Lake
from features.persons import persons
from training.churn.model import ChurnModel
from training.churn.snapshots import Horizon
from training.span import Span

WEEK: Final = 7
AHEAD: Final = 0.95
"""Share of gaps that are no longer than the horizon."""
ACTIVE: Final = 0.99
"""Share of gaps that are no longer than the silence of an active customer."""
LONGEST: Final = 91
"""Days that a horizon has at the most: a quarter's warning is none."""
YEAR: Final = 364
"""Days that a customer is active at the most."""
SNAPSHOTS: Final = 3
"""Horizons that must fit behind the active span before held-out time: two to learn from and one to
calibrate on."""


def horizon_of(
    lake: Lake, span: Span, wanted: tuple[int | None, int | None], champion: ChurnModel | None
) -> Horizon:
    """What churn means.

    Args:
        lake: Holds the purchases.
        span: The time that is looked at; of gaps, only what is before its cutoff.
        wanted: Days of the horizon and of the active span, where somebody has set them.
        champion: Says what churn means where nobody has set it, so that a probability means the
            same from night to night; without one, the gaps do.

    Raises:
        NotEnoughData: They are to come from gaps, and no customer bought on two days.
        LakeUnavailable: The lake can't be read.
    """
    ahead, active = wanted
    if champion is not None:
        ahead = ahead or champion.manifest.horizon_days
        active = active or champion.manifest.active_days
    if ahead is None or active is None:
        gaps = _gaps(lake, span)
        known = (span.cutoff - span.first).days
        ahead = ahead or horizon_days(gaps, known, span.holdout.days)
        active = active or active_days(gaps, known, ahead)
    return Horizon(timedelta(days=ahead), timedelta(days=active))


def horizon_days(gaps: NDArray[np.float64], known: int, holdout: int) -> int:
    """The derived horizon, in days.

    Args:
        gaps: Days between purchase days.
        known: Days of history before held-out time.
        holdout: Days of held-out time, in which the horizon must end to be judged.
    """
    most = min(LONGEST, holdout, known // (SNAPSHOTS + 1))
    return _weeks(float(np.quantile(gaps, AHEAD)), WEEK, most)


def active_days(gaps: NDArray[np.float64], known: int, ahead: int) -> int:
    """The derived active span, in days; at least the horizon.

    Args:
        gaps: Days between purchase days.
        known: Days of history before held-out time.
        ahead: Days of the horizon.
    """
    most = min(YEAR, known - SNAPSHOTS * ahead)
    return _weeks(float(np.quantile(gaps, ACTIVE)), ahead, most)


def _weeks(days: float, least: int, most: int) -> int:
    """Whole weeks that hold so many days, not more than `most` and not less than `least`."""
    return max(min(-(-int(np.ceil(days)) // WEEK), most // WEEK) * WEEK, least)


def _gaps(lake: Lake, span: Span) -> NDArray[np.float64]:
    engine = open_engine()
    with closing(engine.con), declared(lake.root):
        past = persons(lake.events(engine, span.lake_version), span.cutoff)
        bought = past.filter(of_type(past, EventType.PURCHASE))
        days = bought.select(c.CUSTOMER, day=day_number(bought)).distinct()
        order = ibis.window(group_by=c.CUSTOMER, order_by="day")
        gaps = days.select(gap=days["day"] - days["day"].lag().over(order))
        found = gaps.filter(gaps["gap"].notnull()).to_pyarrow().column("gap").to_numpy()
    if not len(found):
        message = (
            "churn: nobody bought on two days, so no gap says how long a silence is long: import "
            "more history, or set HOMING_CHURN_HORIZON_DAYS and HOMING_CHURN_ACTIVE_DAYS"
        )
        raise NotEnoughData(message)
    return np.asarray(found, dtype=np.float64)
