"""Pins: the same send gets the same slate, also while the pin store is down."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence

import msgspec

from features.clock import Clock
from features.stores.ports import Pins
from serving.slate import Choice

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Choice)

_TURN = "~"
"""Begins the names under which the turns of a send are kept beside its blocks."""

_MORE = "+"
"""Stands between a block and the number of picks that its slate had before it was filled up."""

Place = tuple[str, str, str]
"""Customer key, send, block."""


class LocalPins:
    """The most recent answers of this process, for as long as the store can't be asked for them.

    They win over what the store has: a store that comes back knows nothing of those that were
    given meanwhile.

    Args:
        seconds: How long each is kept.
        clock: Tells what has expired.
        limit: Sends of customers that are kept; each takes about 2 kB.
    """

    def __init__(self, seconds: int, clock: Clock, limit: int = 20_000) -> None:
        self._seconds = seconds
        self._clock = clock
        self._limit = limit
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], dict[str, tuple[float, Choice]]] = OrderedDict()

    def of_send(self, customer: str, send: str) -> dict[str, Choice]:
        """Block → choice, of those that have not expired."""
        with self._lock:
            now = self._clock.now().timestamp()
            kept = self._kept.get((customer, send), {})
            return {block: choice for block, (until, choice) in kept.items() if now < until}

    def pin(self, place: Place, choice: Choice) -> Choice:
        """Keep a choice, unless one is kept that it does not continue; returns the one that is."""
        customer, send, block = place
        with self._lock:
            now = self._clock.now().timestamp()
            kept = self._kept.setdefault((customer, send), {})
            until, before = kept.get(block, (0.0, choice))
            if now < until and not continues(choice, before):
                return before
            kept[block] = (now + self._seconds, choice)
            self._kept.move_to_end((customer, send))
            while len(self._kept) > self._limit:
                self._kept.popitem(last=False)
            return choice


class Pinned(msgspec.Struct, frozen=True):
    """What the store knows of a send.

    Attributes:
        choices: Block → choice.
        turns: Blocks in the order in which they took their turns.
    """

    choices: dict[str, Choice]
    turns: tuple[str, ...]


class StorePins:
    """The pin store, speaking of choices instead of bytes.

    The blocks of a send take turns, so that processes which answer several at once agree on who
    chooses first, and no item comes twice: a turn is pinned as a slate is, whoever is first has it,
    and whoever comes later makes the slates of the turns before his own if nobody has yet.

    Args:
        pins: The store.
        seconds: How long each is kept.
    """

    def __init__(self, pins: Pins, seconds: int) -> None:
        self._pins = pins
        self._seconds = seconds

    def of_send(self, customer: str, send: str) -> Pinned:
        """What is pinned; a slate that this version can't read counts as not there.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        stored = self._pins.of_send(customer, send)
        turns: list[str] = []
        while (holder := stored.pop(f"{_TURN}{len(turns)}", None)) is not None:
            turns.append(holder.decode(errors="replace"))
        read = {name: decode(body) for name, body in stored.items()}
        choices = {name: choice for name, choice in read.items() if choice is not None}
        return Pinned(_latest(choices), tuple(turns))

    def take_turn(self, place: Place, known: Sequence[str]) -> tuple[str, ...]:
        """Take the next turn of a send, unless the block has one.

        Args:
            place: Whose turn.
            known: The turns that are taken, as `of_send` gave them.

        Returns:
            The blocks whose turns are before, in order.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        customer, send, block = place
        before = list(known)
        if block in before:
            return tuple(before[: before.index(block)])
        while True:
            name = f"{_TURN}{len(before)}"
            body = self._pins.pin(customer, send, name, block.encode(), self._seconds)
            holder = body.decode(errors="replace")
            if holder == block:
                return tuple(before)
            before.append(holder)

    def pin(self, place: Place, choice: Choice) -> Choice:
        """Keep a choice, unless one is kept; returns the one that is.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        return self._keep(place, place[2], choice)

    def fill_up(self, place: Place, before: Choice, filled: Choice) -> Choice:
        """Keep a pinned choice that was filled up, unless it was before; returns what is kept.

        Args:
            place: Of the choice.
            before: As it was pinned.
            filled: Continues it.

        Raises:
            StoreUnavailable: The store does not answer.
        """
        return self._keep(place, f"{place[2]}{_MORE}{len(before.picks)}", filled)

    def _keep(self, place: Place, name: str, choice: Choice) -> Choice:
        customer, send, _ = place
        body = self._pins.pin(customer, send, name, _encoder.encode(choice), self._seconds)
        return decode(body) or choice


def continues(choice: Choice, before: Choice) -> bool:
    """Whether a choice is the same slate with more picks behind those that it had."""
    return choice.slate == before.slate and len(choice.picks) > len(before.picks)


def _latest(kept: Mapping[str, Choice]) -> dict[str, Choice]:
    """Block → its choice as it was last filled up."""
    latest = {name: choice for name, choice in kept.items() if _MORE not in name}
    for name, choice in kept.items():
        block = name.partition(_MORE)[0]
        if block in latest and continues(choice, latest[block]):
            latest[block] = choice
    return latest


def decode(body: bytes) -> Choice | None:
    """The pinned choice; None when this version can't read it."""
    try:
        return _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
