"""What all sources of webhooks have in common: what they are given and what they give.

A source is one file: how its deliveries are signed, what makes one the same as another, and what
its payload says in our words. Checking a signature reads and keeps nothing; reading comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple, Protocol

from features.event import Event
from features.identity import CustomerKeys
from features.item import Item


@dataclass(frozen=True)
class Delivery:
    """One request of a sender, as it came.

    Attributes:
        body: The bytes that were signed.
        headers: Names in lower case; of one that came several times the last.
        query: Parameters of the URL; of one that came several times the last.
        url: As the sender was told it, with its query; some sign it.
    """

    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, str] = field(default_factory=dict)
    url: str = ""


class Unreadable(NamedTuple):
    """A part of a delivery that is no event of ours though it should be: a dead letter.

    Attributes:
        body: Its bytes, or those of the whole delivery when it has no parts.
        reason: Why, with the cure; shows nothing of the bytes, for they may name a person.
    """

    body: bytes
    reason: str


class Received(NamedTuple):
    """What a delivery says.

    Attributes:
        events: In its order; kinds of which we keep nothing are left out.
        unreadable: What should have been one.
        items: As the catalogue shall hold them from now on.
        gone: Ids of items that are no longer sold.
    """

    events: Sequence[Event] = ()
    unreadable: Sequence[Unreadable] = ()
    items: Sequence[Item] = ()
    gone: Sequence[str] = ()


class Source(Protocol):
    """A sender of webhooks; made with one secret or, while it is being changed, two."""

    def verify(self, delivery: Delivery, now: datetime) -> str | None:
        """Return if the delivery is from the sender and fresh. Reads no file and asks no store.

        Args:
            delivery: Anything at all.
            now: Our clock, aware.

        Returns:
            What makes the delivery the same as another one, for those that must not come twice;
            None where its events' ids tell it.

        Raises:
            Unauthenticated: It is not, or it is too old.
        """
        ...

    def read(self, delivery: Delivery, keys: CustomerKeys, now: datetime) -> Received:
        """What a verified delivery says; never raises, whatever its bytes are.

        Args:
            delivery: One that `verify` let pass.
            keys: Turns outside ids into customer keys.
            now: Our clock, aware; dates what has no time of its own.
        """
        ...
