"""E-mail engagement: what the customer does with what is sent."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from features import columns as c
from features.definitions.window import QUARTER, before, days_since, of_type, within
from features.event import EventType

if TYPE_CHECKING:
    import ibis

NAMES = (
    "emails_91d",
    "email_opens_91d",
    "email_clicks_91d",
    "email_click_rate",
    "email_response_recency_days",
)


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:  # noqa: ARG001 - one form for all
    """Mails, opens and clicks of the last 91 days; clicks per mail over all time.

    The rate is smoothed as (clicks + 1) / (mails + 20), so that a customer who got one mail and
    clicked it is not a perfect reader, and who got none has the rate of a common list, 5 %. Days
    since the last open or click; where there was none, days since the first event.
    """
    past = before(events, as_of)
    sent, opened, clicked = (
        of_type(past, one)
        for one in (EventType.EMAIL_SENT, EventType.EMAIL_OPEN, EventType.EMAIL_CLICK)
    )
    quarter = within(past, as_of, QUARTER)
    moment = past[c.OCCURRED_AT]
    answered = moment.max(where=opened | clicked).fill_null(moment.min())
    clicks, mails = clicked.cast("int64").sum(), sent.cast("int64").sum()
    return past.group_by(c.CUSTOMER).aggregate(
        emails_91d=(sent & quarter).cast("int64").sum(),
        email_opens_91d=(opened & quarter).cast("int64").sum(),
        email_clicks_91d=(clicked & quarter).cast("int64").sum(),
        email_click_rate=(clicks + 1) / (mails + 20),
        email_response_recency_days=days_since(answered, as_of),
    )
