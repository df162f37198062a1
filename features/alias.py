"""Who an anonymous visitor turned out to be: what `identify` events say, folded.

An `identify` event says that its `alias`, an anonymous id, is its `customer`. What counts is when
it happened, never when it came:

- The earliest one of an alias says whose it is, for good: what the alias did before and does later
  is that customer's.
- An alias that was itself a customer of an `identify` not later than that stays who it is: two
  customers who share a device are never one.

So a link that counts is older than any that its alias is the customer of, and not older than the
first that its own customer is the customer of. Along a chain of aliases the links get older and
older: there is an end to it, and no circle.

Whoever sends these events decides whose history is whose: docs/decisions/0017-identities.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from features.event import Event, EventType
from features.profile import History

_START: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Claim(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """Somebody said whose an alias is.

    Attributes:
        at: Microseconds since 1970, UTC.
        customer: Whose.
    """

    at: int
    customer: str


class Identified(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What `identify` events say of one customer key.

    A join semilattice, as `History` is: the same whatever order they come in, and however often.

    Attributes:
        claim: The earliest of those whose alias it is; the least customer key of several at once.
        since: When it was first the customer of one, microseconds since 1970.
    """

    claim: Claim | None = None
    since: int | None = None

    @property
    def owner(self) -> str | None:
        """Whose alias it is; None for one who is nobody else's."""
        if self.claim is None or (self.since is not None and self.since <= self.claim.at):
            return None
        return self.claim.customer

    def join(self, other: Identified) -> Identified:
        """What both say."""
        claims = [one for one in (self.claim, other.claim) if one is not None]
        times = [one for one in (self.since, other.since) if one is not None]
        return Identified(min(claims, default=None), min(times, default=None))


class Own(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What was told under one customer key that an `identify` names.

    Attributes:
        history: What was done under it, without its aliases.
        identified: Whose it is.
    """

    history: History = History()
    identified: Identified = Identified()

    def join(self, other: Own) -> Own:
        """What both say."""
        return Own(self.history.join(other.history), self.identified.join(other.identified))


def identified_of(events: Iterable[Event]) -> dict[str, Identified]:
    """Customer key → what these events say of it; nothing of those whom no `identify` names.

    One that names a customer as his own alias says nothing, and neither does a robot's.
    """
    said: dict[str, Identified] = {}
    for event in events:
        alias, customer = event.alias, event.customer
        if event.type is not EventType.IDENTIFY or event.machine or alias in (None, customer):
            continue
        at = (event.occurred_at - _START) // _MICROSECOND
        for key, one in (
            (alias, Identified(claim=Claim(at, customer))),
            (customer, Identified(since=at)),
        ):
            said[key] = said.get(key, _NOTHING).join(one)
    return said


def root_of(key: str, own: Mapping[str, Own]) -> str:
    """Who a key is in the end.

    Args:
        key: Any.
        own: Of the key and of all that follow along its chain.
    """
    # There is no circle, but in a store that was mended by hand: that must not hold up the others.
    for _ in own:
        owner = own[key].identified.owner if key in own else None
        if owner is None:
            break
        key = owner
    return key


_NOTHING: Final = Identified()
_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Own)


def encode_own(own: Own) -> bytes:
    """As a store keeps it (MessagePack)."""
    return _encoder.encode(own)


def decode_own(stored: bytes) -> Own:
    """What a store kept.

    Raises:
        UNDECODABLE: The bytes are none.
    """
    return _decoder.decode(stored)
