"""Pins: the same send gets the same slate, also while the pin store is down."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import NamedTuple

import msgspec

from features.clock import Clock
from features.errors import UNDECODABLE
from features.stores.ports import NewPin, Pins
from serving.slate import Choice

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(Choice)
_kept_decoder = msgspec.msgpack.Decoder(dict[str, tuple[float, Choice]])

_TURN = "~"
"""Begins the names under which the turns of a send are kept beside its blocks."""

_MORE = "+"
"""Stands between a block and the number of picks that its slate had before it was filled up."""

Place = tuple[str, str, str]
"""Customer key, send, block."""


class LocalPins:
    """The most recent answers of this process, whether or not the store can be asked for them.

    They win over what the store has: a store that comes back knows nothing of those that were
    given meanwhile. A retry, or the link behind an image, is answered from here at once.

    They are kept encoded, which takes a third of the memory.

    Args:
        seconds: How long each is kept.
        clock: Tells what has expired.
        limit: Sends of customers that are kept at the most, and half as many at the least; each
            takes about 600 bytes.
    """

    def __init__(self, seconds: int, clock: Clock, limit: int = 65_536) -> None:
        self._seconds = seconds
        self._clock = clock
        self._half = limit // 2
        self._lock = threading.Lock()
        self._recent: dict[str, bytes] = {}
        self._before: dict[str, bytes] = {}

    def of_send(self, customer: str, send: str) -> dict[str, Choice]:
        """Block → choice, of those that have not expired."""
        kept = self._kept(customer + send)
        if not kept:
            return {}
        now = self._clock.now().timestamp()
        return {block: choice for block, (until, choice) in kept.items() if now < until}

    def pin(self, place: Place, choice: Choice) -> Choice:
        """Keep a choice, unless one is kept that it does not continue; returns the one that is."""
        customer, send, block = place
        name = customer + send  # all customer keys are of one length
        with self._lock:
            now = self._clock.now().timestamp()
            kept = self._kept(name)
            until, before = kept.get(block, (0.0, choice))
            if now < until and not continues(choice, before):
                return before
            kept[block] = (now + self._seconds, choice)
            if len(self._recent) >= self._half and name not in self._recent:
                self._before, self._recent = self._recent, {}
            self._recent[name] = _encoder.encode(kept)
            return choice

    def _kept(self, name: str) -> dict[str, tuple[float, Choice]]:
        """Block → when it expires and its choice."""
        body = self._recent.get(name) or self._before.get(name)
        return {} if body is None else _kept_decoder.decode(body)


class Pinned(NamedTuple):
    """What the store knows of a send.

    Attributes:
        choices: Block → choice.
        turns: Blocks in the order in which they took their turns.
    """

    choices: dict[str, Choice]
    turns: tuple[str, ...]


class StorePins:
    """The pin store, speaking of choices instead of bytes, and of many at once.

    The blocks of a send take turns, so that processes which answer several at once agree on who
    chooses first, and no item comes twice: a turn is pinned as a slate is, whoever is first has it,
    and whoever comes later makes the slates of the turns before his own if nobody has yet.

    Every method may raise `StoreUnavailable`.

    Args:
        pins: The store.
        seconds: How long each is kept.
    """

    def __init__(self, pins: Pins, seconds: int) -> None:
        self._pins = pins
        self._seconds = seconds

    def take_turns(self, asked: Sequence[tuple[Place, Sequence[str]]]) -> list[tuple[str, ...]]:
        """Take the next turn of each send, unless the block has one.

        Args:
            asked: Places, one a send, each with the turns that are known to be taken.

        Returns:
            For each the blocks whose turns are before, in order.
        """
        before = [list(known) for _, known in asked]
        pending = [
            number for number, (place, _) in enumerate(asked) if place[2] not in before[number]
        ]
        while pending:
            turns = [self._turn(asked[number][0], len(before[number])) for number in pending]
            held = [body.decode(errors="replace") for body in self._pins.pin_many(turns)]
            for number, holder in zip(pending, held, strict=True):
                before[number].append(holder)
            pending = [
                number
                for number, holder in zip(pending, held, strict=True)
                if holder != asked[number][0][2]
            ]
        return [
            tuple(turns[: turns.index(place[2])])
            for turns, (place, _) in zip(before, asked, strict=True)
        ]

    def pin(self, fresh: Sequence[tuple[Place, Choice]]) -> list[Choice]:
        """Keep each choice unless one is kept in its place; returns those that are."""
        named = [(place, place[2], choice) for place, choice in fresh]
        return self._keep(named)

    def fill_up(self, place: Place, before: Choice, filled: Choice) -> Choice:
        """Keep a pinned choice that was filled up, unless it was before; returns what is kept.

        Args:
            place: Of the choice.
            before: As it was pinned.
            filled: Continues it.
        """
        return self._keep([(place, f"{place[2]}{_MORE}{len(before.picks)}", filled)])[0]

    def _turn(self, place: Place, number: int) -> NewPin:
        customer, send, block = place
        return NewPin(customer, send, f"{_TURN}{number}", block.encode(), self._seconds)

    def _keep(self, named: Sequence[tuple[Place, str, Choice]]) -> list[Choice]:
        pins = [
            NewPin(customer, send, name, _encoder.encode(choice), self._seconds)
            for (customer, send, _), name, choice in named
        ]
        kept = self._pins.pin_many(pins)
        return [
            choice if body == pin.slate else decode(body) or choice
            for body, pin, (_, _, choice) in zip(kept, pins, named, strict=True)
        ]


def read_pins(stored: Mapping[str, bytes]) -> Pinned:
    """What a store has of a send; a slate that this version can't read counts as not there.

    Args:
        stored: Block → encoded slate, as `features.stores.ports.Seen` has it.
    """
    read: dict[str, Choice] = {}
    turns: dict[str, str] = {}
    for name, body in stored.items():
        if name.startswith(_TURN):
            turns[name] = body.decode(errors="replace")
        elif (choice := decode(body)) is not None:
            read[name] = choice
    names = (f"{_TURN}{number}" for number in range(len(turns)))
    taken = tuple(turns[name] for name in takewhile(turns.__contains__, names))
    return Pinned(_latest(read), taken)


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
    except UNDECODABLE:
        return None
