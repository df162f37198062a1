"""Profiles as stores keep them: two halves, each encoded, and what to say when one is broken."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import TypeVar

from features.alias import Own, decode_own
from features.errors import UNDECODABLE, StoreUnavailable
from features.profile import History, Profile
from features.profile_codec import decode_history, decode_published
from features.stores.ports import Seen

Element = TypeVar("Element")


def read_profile(
    where: Path | str, customer: str, history: bytes | None, published: bytes | None
) -> Profile:
    """The profile of two stored halves.

    Raises:
        StoreUnavailable: A half can't be read; the message names where it is kept and the cure.
    """
    try:
        return Profile(customer, decode_history(history), decode_published(published))
    except UNDECODABLE as error:
        raise _unreadable(where, customer, error) from error


def read_seen(customer: str, seen: Seen) -> Profile | None:
    """The profile among what was seen of a customer; None for one who is not known.

    Raises:
        StoreUnavailable: As `read_profile`.
    """
    if seen.history is None and seen.published is None:
        return None
    return read_profile("the store", customer, seen.history, seen.published)


def read_history(where: Path | str, customer: str, history: bytes | None) -> History:
    """The stored history.

    Raises:
        StoreUnavailable: As `read_profile`.
    """
    try:
        return decode_history(history)
    except UNDECODABLE as error:
        raise _unreadable(where, customer, error) from error


def read_own(where: Path | str, customer: str, own: bytes) -> Own:
    """What was told under a key.

    Raises:
        StoreUnavailable: It can't be read; the message names where it is kept and the cure.
    """
    try:
        return decode_own(own)
    except UNDECODABLE as error:
        message = (
            f"{where}: what was told under {customer} can't be read: {error}: "
            "restore it from a backup"
        )
        raise StoreUnavailable(message) from error


def _unreadable(where: Path | str, customer: str, error: Exception) -> StoreUnavailable:
    return StoreUnavailable(
        f"{where}: the profile of {customer} can't be read: {error}: "
        "delete it; `homing replay` brings its history back"
    )


def chunks(elements: Iterable[Element], size: int) -> Iterator[list[Element]]:
    """The elements in lists of at most so many."""
    source = iter(elements)
    while chunk := list(islice(source, size)):
        yield chunk
