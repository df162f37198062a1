"""A small shop with planted tastes, the same on every run: what tests train on.

Customers belong to one taste each and buy nearly all from it, so that a model which learns
anything ranks a customer's own taste first. A third of them stop buying at some time, so that
churn can be learnt from recency.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random

from features.event import Event, EventType
from features.identity import CustomerKeys
from features.item import Item
from features.profile import Profile, history_of

SECRET = "a secret for tests, long enough for a key"
TASTES = ("tea", "garden", "toys", "paper")
ITEMS_A_TASTE = 12
END = datetime(2026, 6, 1, tzinfo=UTC)
"""Nothing happens in the shop at or after this moment."""


@dataclass(frozen=True)
class Shop:
    """What happened in the shop.

    Attributes:
        items: The catalogue.
        events: All events, in the order of time.
        taste: Customer key → taste.
        start: Nothing happened before.
        end: Nothing happened at or after.
        outside: Outside id → customer key.
    """

    items: tuple[Item, ...]
    events: tuple[Event, ...]
    taste: dict[str, str]
    start: datetime
    end: datetime
    outside: dict[str, str] = field(repr=False)

    def profiles(self) -> Iterator[Profile]:
        """A profile of each customer, with the history of all events."""
        of: dict[str, list[Event]] = {customer: [] for customer in self.taste}
        for event in self.events:
            of[event.customer].append(event)
        for customer, events in of.items():
            yield Profile(customer, history=history_of(events))


def make_shop(
    customers: int = 40, *, days: int = 240, every: float = 20.0, seed: int = 7, end: datetime = END
) -> Shop:
    """A shop of that many customers, open for so many days.

    Args:
        customers: Numbered from 0; customer number i has taste i modulo `len(TASTES)`.
        days: How long the shop was open.
        every: Mean days between two purchases of a customer who has not stopped.
        seed: Another number is another shop.
        end: When the history ends.
    """
    random = Random(seed)  # noqa: S311 - a toy's dice
    keys = CustomerKeys(SECRET.encode())
    outside = {
        f"customer-{number}": keys.resolve(f"customer-{number}") for number in range(customers)
    }
    taste = {key: TASTES[number % len(TASTES)] for number, key in enumerate(outside.values())}
    start = end - timedelta(days=days)
    events: list[Event] = []
    for key, name in taste.items():
        stops = days * random.uniform(0.3, 1.0) if random.random() < 1 / 3 else float(days)
        events += _life(key, name, random, start=start, days=stops, every=every)
    events.sort(key=lambda event: (event.occurred_at, event.id))
    return Shop(make_items(), tuple(events), taste, start, end, outside)


def make_items() -> tuple[Item, ...]:
    """The catalogue: `ITEMS_A_TASTE` of each taste, ids like `tea-3`, ordered by id."""
    made = [
        Item(
            id=f"{taste}-{number}",
            title=f"{taste.title()} number {number}",
            url=f"https://shop.example/{taste}/{number}",
            image_url=f"https://shop.example/{taste}/{number}.jpg",
            price=2.5 + number,
            currency="GBP",
            categories=(taste, f"{taste} {'small' if number < ITEMS_A_TASTE // 2 else 'large'}"),
            brand=f"brand {number % 3}",
        )
        for taste in TASTES
        for number in range(ITEMS_A_TASTE)
    ]
    return tuple(sorted(made, key=lambda item: item.id))


def _life(
    customer: str, taste: str, random: Random, *, start: datetime, days: float, every: float
) -> Iterator[Event]:
    """All that one customer does: baskets of one to three items, and a monthly mail."""
    day = random.uniform(0, every)
    number = 0
    while day < days:
        at = start + timedelta(days=day)
        for _ in range(random.randint(1, 3)):
            number += 1
            yield _bought(customer, _choose(taste, random), number, at)
        day += random.expovariate(1 / every)
    for month in range(int(days // 30)):
        sent = start + timedelta(days=30 * month + 1)
        yield from _mail(customer, month, sent, opened=random.random() < 0.5)


def _choose(taste: str, random: Random) -> str:
    """An item of the taste nine times in ten; the lower the number, the more popular."""
    group = taste if random.random() < 0.9 else random.choice(TASTES)
    return f"{group}-{min(int(random.expovariate(0.3)), ITEMS_A_TASTE - 1)}"


def _bought(customer: str, item: str, number: int, at: datetime) -> Event:
    return Event(
        id=f"{customer}:p{number}",
        type=EventType.PURCHASE,
        customer=customer,
        occurred_at=at,
        item=item,
        quantity=1.0,
        value=2.5 + int(item.rpartition("-")[2]),
        currency="GBP",
        source="shop",
    )


def _mail(customer: str, month: int, sent: datetime, *, opened: bool) -> Iterator[Event]:
    steps = [(EventType.EMAIL_SENT, 0), (EventType.EMAIL_DELIVERED, 1)]
    if opened:
        steps.append((EventType.EMAIL_OPEN, 90))
    for kind, minutes in steps:
        yield Event(
            id=f"{customer}:{kind}{month}",
            type=kind,
            customer=customer,
            occurred_at=sent + timedelta(minutes=minutes),
            send=f"mail-{month}",
            source="shop",
        )
