"""What is known of one customer, in two halves with one writer each.

`History` is a fold of events, and a join semilattice: joining in any order, any number of times,
gives the same history (Shapiro et al., "Conflict-free Replicated Data Types", 2011). So a replay
after a crash, an event that is sent twice and an import beside the live stream need no care.

`Published` is what the pipeline wrote last: segment, features, scores and stored slates.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable
from heapq import nlargest
from operator import attrgetter
from typing import TypeVar

import msgspec

from features.event import Event, EventType

MAX_INTERACTIONS = 400
"""The most recent ones that a history keeps."""
MAX_OWNED = 2_000
"""The most recently bought items that a history keeps."""
MAX_EXPOSURES = 20
"""The most recent ones that a history keeps: some months of weekly mail."""
MAX_TYPES = len(EventType)
"""Types that a history knows the latest event of: all."""

CONSENT = frozenset({EventType.EMAIL_BOUNCE, EventType.EMAIL_COMPLAINT, EventType.UNSUBSCRIBE})
"""What ends mail, whoever did it: a robot that follows every link has unsubscribed the address."""

Recent = TypeVar("Recent", "Interaction", "Exposure")


class Interaction(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """One event that joins the customer and an item.

    Attributes:
        at: Seconds since 1970, UTC.
        event: 64-bit digest of the event's id; tells a repeated event from a new one.
        item: The item's id.
        type: What happened.
        quantity: Units.
    """

    at: int
    event: int
    item: str
    type: EventType
    quantity: float = 1.0


class Exposure(msgspec.Struct, frozen=True, array_like=True, order=True, gc=False):
    """One slate that was shown to the customer.

    Attributes:
        at: Seconds since 1970, UTC.
        slate: 64-bit digest of the slate's id; tells a slate that is reported twice from a new one.
        block: The place in the mail; "" where nobody said.
        items: What it showed, best first.
    """

    at: int
    slate: int
    block: str
    items: tuple[str, ...]


class History(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """What one customer did: a pure fold of events.

    Attributes:
        interactions: The `MAX_INTERACTIONS` most recent, oldest first.
        bought: Item → when it was last bought (seconds since 1970); the `MAX_OWNED` most recent.
        returned: Item → when it was last returned.
        latest: Type → when such an event last happened.
        exposures: The `MAX_EXPOSURES` most recent, oldest first.
    """

    interactions: tuple[Interaction, ...] = ()
    bought: dict[str, int] = {}
    returned: dict[str, int] = {}
    latest: dict[str, int] = {}
    exposures: tuple[Exposure, ...] = ()

    def fold(self, events: Iterable[Event]) -> History:
        """This history with more events of the same customer in it."""
        return self.join(history_of(events))

    def join(self, other: History) -> History:
        """The least history that holds both."""
        return History(
            interactions=_both(self.interactions, other.interactions, _event_of, MAX_INTERACTIONS),
            bought=_later(self.bought, other.bought, MAX_OWNED),
            returned=_later(self.returned, other.returned, MAX_OWNED),
            latest=_later(self.latest, other.latest, MAX_TYPES),
            exposures=_both(self.exposures, other.exposures, _slate_of, MAX_EXPOSURES),
        )

    def owned(self) -> frozenset[str]:
        """Items bought and not returned since."""
        return frozenset(
            item for item, at in self.bought.items() if self.returned.get(item, -1) < at
        )

    def shown_after(self, moment: int) -> History:
        """The same history without exposures up to a moment, seconds since 1970."""
        later = tuple(one for one in self.exposures if one.at > moment)
        return msgspec.structs.replace(self, exposures=later)

    def contactable(self) -> bool:
        """Whether mail may be sent: neither unsubscribed nor complained."""
        return (
            EventType.UNSUBSCRIBE not in self.latest
            and EventType.EMAIL_COMPLAINT not in self.latest
        )


class Spoken(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The item of a history that speaks most for a recommended one.

    Attributes:
        type: What the customer did with it.
        item: Its id.
    """

    type: EventType
    item: str


class StoredSlate(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A slate that the pipeline wrote ahead of time.

    Attributes:
        items: Item ids, best first.
        model: The version that ranked them, like `recommender/12`.
        spoken: What speaks for each of the first items; shorter than `items` where no more is
            known.
    """

    items: tuple[str, ...]
    model: str
    spoken: tuple[Spoken | None, ...] = ()


class NextBest(msgspec.Struct, frozen=True, omit_defaults=True):
    """What to do next about one customer.

    Attributes:
        action: `win_back`, `replenish`, `cross_sell`, `recommend` or `rest`.
        reason: Why, one plain sentence.
        item: The item that it is about; None where it is about none.
        category: The category that it is about; None where it is about none.
        worth: What the customer buys in a quarter while staying one: in money, or in days with a
            purchase where the shop's events bear no money.
    """

    action: str
    reason: str
    item: str | None = None
    category: str | None = None
    worth: float = 0.0


class Published(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the pipeline last wrote of one customer.

    Attributes:
        at: When, seconds since 1970; 0 when nothing was published yet.
        segment: The customer's segment.
        features: Feature name → value, as of `at`.
        scores: Score name → value, like `churn` → 0.31.
        bands: Score name → band, like `churn` → `high`.
        slates: Block name → stored slate.
        models: Registered model → version that scored.
        affinities: First category → share of the customer's purchases, the greatest first.
        drivers: Feature → what it adds to the log-odds of churn, the strongest first: above 0 it
            speaks for churn, below 0 for staying.
        next_best: What to do next about the customer; None when nothing was published yet.
        history: `history_digest` of the history that the slates were made from; 0 for none.
        exposed: `exposed_digest` of it, for blocks that rotate; 0 for none.
        catalogue: `features.stores.codec.items_digest` of the items that they were chosen from.
        blocks: Block name → `serving.ranking.blocks.block_digest` of the rules that they keep; none
            of a block that overrides concerned, whose slates never stand.
    """

    at: int = 0
    segment: str | None = None
    features: dict[str, float] = {}
    scores: dict[str, float] = {}
    bands: dict[str, str] = {}
    slates: dict[str, StoredSlate] = {}
    models: dict[str, str] = {}
    affinities: dict[str, float] = {}
    drivers: dict[str, float] = {}
    next_best: NextBest | None = None
    history: int = 0
    exposed: int = 0
    catalogue: int = 0
    blocks: dict[str, int] = {}


class Profile(msgspec.Struct, frozen=True):
    """What is known of one customer.

    Attributes:
        customer: The customer key.
        history: What the customer did.
        published: What the pipeline last wrote.
    """

    customer: str
    history: History = History()
    published: Published = Published()


def event_digest(event_id: str) -> int:
    """64 bits that stand for an id, of an event or a slate (BLAKE2b, RFC 7693)."""
    digest = hashlib.blake2b(event_id.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big")


def history_of(events: Iterable[Event]) -> History:
    """The history of these events alone, all of one customer, in any order.

    What a robot did is left out, but for `CONSENT`, and so is who somebody is.
    """
    interactions: list[Interaction] = []
    bought: dict[str, int] = {}
    returned: dict[str, int] = {}
    latest: dict[str, int] = {}
    exposures: list[Exposure] = []
    for event in events:
        kind, item = event.type, event.item
        if kind is _IDENTIFY or (event.machine and kind not in CONSENT):
            continue
        at = int(event.occurred_at.timestamp())
        latest[kind] = max(at, latest.get(kind, at))
        if kind is _SLATE_SERVED:
            if event.items:
                slate = event_digest(event.slate or event.id)
                exposures.append(Exposure(at, slate, event.block or "", event.items))
            continue
        if item is None or event.machine:
            continue
        interactions.append(Interaction(at, event_digest(event.id), item, kind, event.quantity))
        if kind is _PURCHASE:
            bought[item] = max(at, bought.get(item, at))
        elif kind is _RETURN:
            returned[item] = max(at, returned.get(item, at))
    return History(
        interactions=most_recent(interactions, _event_of, MAX_INTERACTIONS),
        bought=latest_of(bought, MAX_OWNED),
        returned=latest_of(returned, MAX_OWNED),
        latest=latest,
        exposures=most_recent(exposures, _slate_of, MAX_EXPOSURES),
    )


# Looked up once: a look at an enumeration takes longer than what is done with it.
_IDENTIFY = EventType.IDENTIFY
_SLATE_SERVED = EventType.SLATE_SERVED
_PURCHASE = EventType.PURCHASE
_RETURN = EventType.RETURN
_event_of = attrgetter("event")
_slate_of = attrgetter("slate")


def _both(
    one: tuple[Recent, ...], other: tuple[Recent, ...], name: Callable[[Recent], int], limit: int
) -> tuple[Recent, ...]:
    """The last ones of both, each of them as `most_recent` gives it."""
    # Mostly one is empty, or all of the other is later.
    if not other:
        return one
    if not one:
        return other
    if one[-1] < other[0] and set(map(name, other)).isdisjoint(map(name, one)):
        return (one + other)[-limit:]
    return most_recent(one + other, name, limit)


def most_recent(
    some: Collection[Recent], name: Callable[[Recent], int], limit: int
) -> tuple[Recent, ...]:
    """The last ones in their order; of several that bear one name, only the last."""
    if len(some) <= 1:
        return tuple(some)
    ordered = sorted(some)
    latest = {name(one): one for one in ordered}
    if len(latest) < len(ordered):
        ordered = sorted(latest.values())
    return tuple(ordered)[-limit:]


def _later(one: dict[str, int], other: dict[str, int], limit: int) -> dict[str, int]:
    """The later time for each name of both, each of them as `latest_of` gives it."""
    if not other:
        return one
    if not one:
        return other
    joined = {**one, **other}
    for name in one.keys() & other.keys():
        joined[name] = max(one[name], other[name])
    return latest_of(joined, limit)


def latest_of(times: dict[str, int], limit: int) -> dict[str, int]:
    """Those of the `limit` latest names; ties go to the greater name."""
    if len(times) <= limit:
        return times
    return dict(nlargest(limit, times.items(), key=lambda pair: (pair[1], pair[0])))
