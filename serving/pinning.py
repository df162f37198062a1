"""Pins: the same send gets the same slate, also while the pin store is down."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import msgspec

from features.stores.ports import Pins
from serving.slate import Choice

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Choice)

Place = tuple[str, str, str]
"""Customer key, send, block."""


class LocalPins:
    """The most recent answers that could not be pinned in the store.

    Args:
        seconds: How long each is kept.
        limit: How many are kept.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self, seconds: int, limit: int = 50_000, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._seconds = seconds
        self._limit = limit
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], dict[str, tuple[float, Choice]]] = OrderedDict()

    def of_send(self, customer: str, send: str) -> dict[str, Choice]:
        """Block → choice, of those that have not expired."""
        with self._lock:
            now = self._monotonic()
            kept = self._kept.get((customer, send), {})
            return {block: choice for block, (until, choice) in kept.items() if now < until}

    def pin(self, place: Place, choice: Choice) -> Choice:
        """Keep a choice, unless one is kept; returns the one that is."""
        customer, send, block = place
        with self._lock:
            now = self._monotonic()
            kept = self._kept.setdefault((customer, send), {})
            until, before = kept.get(block, (0.0, choice))
            if now < until:
                return before
            kept[block] = (now + self._seconds, choice)
            self._kept.move_to_end((customer, send))
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
            return choice


class StorePins:
    """The pin store, speaking of choices instead of bytes.

    Args:
        pins: The store.
        seconds: How long each is kept.
    """

    def __init__(self, pins: Pins, seconds: int) -> None:
        self._pins = pins
        self._seconds = seconds

    def of_send(self, customer: str, send: str) -> dict[str, Choice]:
        """Block → choice; one that this version can't read counts as not there.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        stored = self._pins.of_send(customer, send)
        read = {block: decode(body) for block, body in stored.items()}
        return {block: choice for block, choice in read.items() if choice is not None}

    def pin(self, place: Place, choice: Choice) -> Choice:
        """Keep a choice, unless one is kept; returns the one that is.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        customer, send, block = place
        body = self._pins.pin(customer, send, block, _encoder.encode(choice), self._seconds)
        return decode(body) or choice


def decode(body: bytes) -> Choice | None:
    """The pinned choice; None when this version can't read it."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
