"""A delivery's parts, each read on its own: one that can't be read does not silence the others."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

import msgspec

from features.errors import InputError, InvalidEvent, Problem
from features.event import Event, check_event
from features.sources.signatures import any_bytes
from features.sources.source import Received, Unreadable

T = TypeVar("T")


def read_parts(
    parts: Iterable[bytes], read: Callable[[bytes], Iterable[Event]], now: datetime
) -> Received:
    """The events of all parts; a part with anything in it that can't be used is a dead letter.

    Args:
        parts: Each is read on its own.
        read: The events of a part, none for a kind that we keep nothing of; raises InputError.
        now: Our clock, aware.
    """
    events: list[Event] = []
    unreadable: list[Unreadable] = []
    for part in parts:
        problem: Problem | None = None
        try:
            for event in read(part):
                wrong = check_event(event, now)
                if wrong is None:
                    events.append(event)
                problem = problem or wrong
        except InputError as error:
            problem = error.problems[0]
        if problem is not None:
            unreadable.append(Unreadable(part, told(problem)))
    return Received(events, unreadable)


def decoded(body: bytes | msgspec.Raw, decoder: msgspec.json.Decoder[T]) -> T:
    """What a decoder makes of JSON.

    Raises:
        InvalidEvent: It is no JSON, or of another form; shows nothing of it.
    """
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        # Its text names fields and types, and no value.
        cure = "see the sender's documentation"
        raise unusable(field="", reason=str(error), cure=cure) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        cure = "see the sender's documentation"
        raise unusable(field="", reason="not JSON", cure=cure) from None


def unusable(field: str, reason: str, cure: str) -> InvalidEvent:
    """The error for one field of a part; its value is not shown, for it may name a person."""
    return InvalidEvent(
        [Problem(index=None, field=field, value="a value", reason=reason, cure=cure)]
    )


def since_1970(seconds: float) -> datetime:
    """The time that a number of seconds since 1970 means, UTC.

    Raises:
        InvalidEvent: There is no such time.
    """
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        cure = "send seconds since 1970"
        raise unusable(field="time", reason="out of range", cure=cure) from None


def utc(time: datetime) -> datetime:
    """The same time in UTC.

    Raises:
        InvalidEvent: It has no time zone, or is out of range.
    """
    if time.tzinfo is None:
        cure = "end it with Z or an offset"
        raise unusable(field="time", reason="no time zone", cure=cure)
    try:
        return time.astimezone(UTC)
    except OverflowError:
        cure = "send the time that it happened"
        raise unusable(field="time", reason="out of range", cure=cure) from None


def derived_id(*parts: str) -> str:
    """32 hex digits of what identifies an occurrence, where its sender gives it no id.

    Args:
        parts: Of which at least one differs between any two occurrences, and none when one is sent
            again. A customer is in it as a key.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in map(any_bytes, parts):
        digest.update(len(part).to_bytes(8, "big"))
        digest.update(part)
    return digest.hexdigest()


def told(problem: Problem) -> str:
    """A problem as the reason of a dead letter: without the value."""
    where = f"{problem.field}: " if problem.field else ""
    return f"{where}{problem.reason}; {problem.cure}"
