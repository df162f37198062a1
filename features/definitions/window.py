"""What the definitions share: the past as of T, and spans of it.

A definition sees only events with `occurred_at < T`, so that a model never learns from the future.
Days are of 24 hours, counted back from T; purchase days are UTC days.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, cast

from features import columns as c
from features.event import EventType

if TYPE_CHECKING:
    import ibis
    from ibis.expr.types import BooleanValue, FloatingValue, IntegerColumn, TimestampColumn

MONTH = 28
"""Days; four whole weeks, so that weekdays weigh the same."""
QUARTER = 91
"""Days; thirteen whole weeks."""
DAY_SECONDS = 86_400


def before(events: ibis.Table, as_of: datetime) -> ibis.Table:
    """The events strictly before `as_of`."""
    return events.filter(events[c.OCCURRED_AT] < as_of.astimezone(UTC))


def within(events: ibis.Table, as_of: datetime, days: int, *, skip: int = 0) -> BooleanValue:
    """Whether an event lies in the `days` days that end `skip` days before `as_of`.

    Args:
        events: Events before `as_of`.
        as_of: T, aware.
        days: Length of the span.
        skip: Days between the span's end and `as_of`.
    """
    end = as_of.astimezone(UTC) - timedelta(days=skip)
    moment = events[c.OCCURRED_AT]
    # The comparison is typed as bool or Value by Ibis' own hints; it is a column of booleans.
    return cast("BooleanValue", (moment >= end - timedelta(days=days)) & (moment < end))


def days_since(moment: TimestampColumn, as_of: datetime) -> FloatingValue:
    """Days from a moment to `as_of`, to the second."""
    seconds = int(as_of.timestamp()) - moment.epoch_seconds()
    return cast("FloatingValue", seconds / DAY_SECONDS)


def day_number(events: ibis.Table) -> IntegerColumn:
    """UTC days since 1970."""
    return cast("IntegerColumn", events[c.OCCURRED_AT].epoch_seconds() // DAY_SECONDS)


def of_type(events: ibis.Table, *types: EventType) -> BooleanValue:
    """Whether an event has one of the types."""
    return cast("BooleanValue", events[c.TYPE].isin([str(one) for one in types]))
