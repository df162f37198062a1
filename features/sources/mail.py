"""What e-mail platforms tell of mails, in common words, and how it becomes an event.

A shop tells a platform with each mail who the customer is and which send, block, slate and item it
is about, in the platform's own metadata; and of a link by its address (`homing_item` and so on),
which is not kept. Where nobody named the send, it is the platform's own id of the mail.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

import msgspec

from features.errors import InputError
from features.event import Event, EventType
from features.identity import CustomerKeys
from features.sources.bursts import Click, in_bursts
from features.sources.reading import (
    Gathered,
    Name,
    Part,
    customer_of,
    digest_of,
    is_usable,
    kept,
    marks_in,
    name_of,
    text_of,
)
from features.sources.source import Received


class Tags(msgspec.Struct, frozen=True, kw_only=True):
    """A mail's metadata: what a shop lets a platform carry; all of it may be missing.

    A shop may use these words for things of its own: what could be no id is left out.

    Attributes:
        customer: The shop's own id of the customer.
        send: Of the mail.
        block: The place in it.
        slate: What was shown there.
        item: What it is about.
    """

    customer: Name = None
    send: object = None
    block: object = None
    slate: object = None
    item: object = None


NO_TAGS = Tags()


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What a platform says that happened to one mail.

    Attributes:
        type: What happened.
        at: When, aware.
        id: The platform's id of this occurrence; without one it is derived.
        email: Whose mail it was; used where `tags` name no customer.
        tags: The mail's metadata.
        message: The platform's id of the mail.
        link: The address that was clicked.
        machine: Whether a robot did it.
    """

    type: EventType
    at: datetime
    id: str | None = None
    email: str | None = None
    tags: Tags = NO_TAGS
    message: str | None = None
    link: str | None = None
    machine: bool = False


def whole(body: bytes) -> Iterable[Part]:
    """The parts of a delivery that has none."""
    return (body,)


def read_mail(
    source: str,
    body: bytes,
    parts: Callable[[bytes], Iterable[Part]],
    report: Callable[[Part], Report | None],
    keys: CustomerKeys,
    now: datetime,
) -> Received:
    """The events of a delivery; a part that can't be read does not silence the others.

    Args:
        source: The platform.
        body: What it delivered.
        parts: Gives the body's parts; raises InvalidEvent.
        report: What a part says, None for a kind that we keep nothing of; raises InvalidEvent.
        keys: Turns outside ids into customer keys.
        now: Our clock, aware.
    """
    gathered = Gathered()
    reports = _reports(body, parts, report, gathered)
    robots = in_bursts(_clicks(told for _, told in reports))
    for place, (part, told) in enumerate(reports):
        machine = told.machine or place in robots
        gathered.add(part, partial(_events, source, told, keys, now, machine=machine))
    return gathered.received()


def _reports(
    body: bytes,
    parts: Callable[[bytes], Iterable[Part]],
    report: Callable[[Part], Report | None],
    gathered: Gathered,
) -> list[tuple[Part, Report]]:
    """What is reported, each with its part; what can't be read is gathered."""
    reports: list[tuple[Part, Report]] = []
    try:
        found = parts(body)
    except InputError as error:
        gathered.refuse(body, error)
        return reports
    for part in found:
        try:
            told = report(part)
        except InputError as error:
            gathered.refuse(part, error)
        else:
            reports += [] if told is None else [(part, told)]
    return reports


def _clicks(reports: Iterable[Report]) -> Iterable[Click]:
    for place, told in enumerate(reports):
        if told.type is EventType.EMAIL_CLICK:
            mail = (told.message, told.tags.customer, told.email)
            yield Click(mail, told.at, told.link or "", place)


def _events(
    source: str, report: Report, keys: CustomerKeys, now: datetime, *, machine: bool
) -> Iterable[Event]:
    return (kept(_event(source, report, keys, machine=machine), now),)


def _event(source: str, report: Report, keys: CustomerKeys, *, machine: bool) -> Event:
    tags = report.tags
    customer = customer_of(keys, tags.customer, email=report.email)
    link = marks_in(report.link)
    return Event(
        id=f"{source}:{report.id or _derived(report, customer)}",
        type=report.type,
        customer=customer,
        occurred_at=report.at,
        item=link.item or _tag(tags.item),
        block=link.block or _tag(tags.block),
        send=link.send or _tag(tags.send) or _tag(report.message),
        slate=link.slate or _tag(tags.slate),
        source=source,
        machine=machine,
    )


def _derived(report: Report, customer: str) -> str:
    moment = report.at.isoformat()
    return digest_of(report.type, moment, report.message or "", customer, report.link or "")


def _tag(value: object) -> str | None:
    text = text_of(name_of(value))
    return text if text is not None and is_usable(text) else None
