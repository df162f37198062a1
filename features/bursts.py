"""Robots by their haste, over several requests: some platforms send every click by itself.

A scanner follows the links of a mail one after the other, within seconds of its delivery; nobody
reads so fast. What came of a mail lately is remembered, and an event that belongs to a burst is
marked before it is written to the event log. So profiles and the lake have the same mark, and what
is read from the log again has it again. (`features.sources.bursts` marks what comes in one request,
and knows the links; here a link is the item that it leads to, or else the click itself.)

What it can't know: of a burst, the clicks that are written already are not marked any more; each
process remembers what it took in itself, and nothing of before it began; a robot that waits is no
burst. Nothing is ever taken for a robot by one click, or without a mail's id.

Sources: "Bot clicks from security scanners: a field guide" (https://check.live-direct-marketing.online/
blog/bot-clicks-security-scanners-detect), which finds them within 5 seconds of the delivery, and
"Bot Filtering in Email and Website Activity" (https://www.paminga.com/docs/concepts/bot-filtering/),
by which they click every link in 3.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import msgspec

from features.event import Event, EventType

WITHIN: Final = timedelta(seconds=5)
"""How long a burst takes."""
LINKS: Final = 3
"""Different links that nobody follows in so short a time, whenever it is."""
SOON: Final = timedelta(seconds=10)
"""How far from its delivery a mail has hardly been seen; clocks of platforms differ."""
LINKS_SOON: Final = 2
"""Different links that nobody follows in so short a time so soon."""
MAILS: Final = 20_000
"""Mails that are remembered: those of which something came most recently."""
CLICKS: Final = 32
"""Of a mail; the most recent to come."""
DELIVERIES: Final = 4
"""Of what platforms call one mail; the most recent to come."""

_DELIVERED: Final = frozenset({EventType.EMAIL_SENT, EventType.EMAIL_DELIVERED})
_DOUBTFUL: Final = frozenset({EventType.EMAIL_OPEN, EventType.EMAIL_CLICK})


class _Click(NamedTuple):
    event: str
    at: datetime
    link: str


class _Mail:
    """What came of one mail to one customer; in tuples, for a deque's empty block is 600 bytes."""

    __slots__ = ("_clicks", "_delivered")

    def __init__(self) -> None:
        self._delivered: tuple[datetime, ...] = ()
        self._clicks: tuple[_Click, ...] = ()

    def add(self, event: Event) -> None:
        if event.type in _DELIVERED:
            if event.occurred_at not in self._delivered:
                self._delivered = (*self._delivered, event.occurred_at)[-DELIVERIES:]
        elif event.type is EventType.EMAIL_CLICK:
            click = _Click(event.id, event.occurred_at, event.item or event.id)
            if click not in self._clicks:
                self._clicks = (*self._clicks, click)[-CLICKS:]

    def hasty(self, at: datetime) -> bool:
        """Whether a moment lies in a burst: `WITHIN` of its first click."""
        firsts = {click.at for click in self._clicks if timedelta(0) <= at - click.at <= WITHIN}
        return any(self._burst(first) for first in firsts)

    def _burst(self, first: datetime) -> bool:
        links = {click.link for click in self._clicks if timedelta(0) <= click.at - first <= WITHIN}
        soon = any(abs(first - moment) <= SOON for moment in self._delivered)
        return len(links) >= (LINKS_SOON if soon else LINKS)


class Bursts:
    """Remembers mails and marks bursts; safe from many threads.

    Args:
        mails: How many are remembered.
    """

    def __init__(self, mails: int = MAILS) -> None:
        self._most = mails
        self._mails: OrderedDict[tuple[str, str], _Mail] = OrderedDict()
        self._lock = threading.Lock()

    def marked(self, events: Sequence[Event]) -> list[Event]:
        """The events in their order, those of robots marked; what is marked already stays so.

        Args:
            events: Checked, before they are written; those of one request know of each other.
        """
        with self._lock:
            mails = self._remember(events)
            return [
                msgspec.structs.replace(event, machine=True)
                if event.type in _DOUBTFUL and mail is not None and mail.hasty(event.occurred_at)
                else event
                for event, mail in zip(events, mails, strict=True)
            ]

    def _remember(self, events: Iterable[Event]) -> list[_Mail | None]:
        """Of each event the mail that it belongs to; None for one of no mail."""
        found: list[_Mail | None] = []
        for event in events:
            mail = None
            if event.send is not None and event.type in _DELIVERED | _DOUBTFUL:
                place = (event.customer, event.send)
                mail = self._mails.setdefault(place, _Mail())
                self._mails.move_to_end(place)
                mail.add(event)
            found.append(mail)
        while len(self._mails) > self._most:
            self._mails.popitem(last=False)
        return found
