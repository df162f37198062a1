"""What is fuzzed: something that takes any bytes, and what it is given to begin with."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Sequence
from typing import NamedTuple

from features.errors import HomingError
from features.event import Event, check_event
from features.identity import is_key
from features.item import check_item
from features.sources.source import Received
from features.stores.codec import decode_event, decode_item, encode_event, encode_item
from tests.unit.features.making import NOW


class Target(NamedTuple):
    """A parser or a verifier.

    Attributes:
        name: In the table, and behind `--only`.
        takes: Gives any bytes to it, and looks at what comes of them. An error that is not of
            `HomingError`'s tree is a find.
        seeds: What it is documented to take.
    """

    name: str
    takes: Callable[[bytes], None]
    seeds: Sequence[bytes]


def undeclared(target: Target, case: bytes) -> str | None:
    """The error of a case that nobody declared; None where there is none."""
    try:
        target.takes(case)
    except HomingError:
        return None
    except Exception:  # noqa: BLE001 - that is what is looked for
        return traceback.format_exc()
    return None


def check_sound(received: Received) -> None:
    """That all of it keeps its limits, and that the stores give back what they are given."""
    for event in received.events:
        check_kept(event)
    for item in received.items:
        assert check_item(item) is None, item
        assert decode_item(encode_item(item)) == item
    for letter in received.unreadable:
        assert letter.reason.isprintable(), letter.reason


def check_kept(event: Event) -> None:
    """That an event is one, its customer a key, and that the log gives it back."""
    assert check_event(event, NOW) is None, event
    assert is_key(event.customer), event
    assert event.alias is None or is_key(event.alias), event
    assert decode_event(encode_event(event)) == event
