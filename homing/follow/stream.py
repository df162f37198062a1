"""What a feed is to those who take from it: messages in order, in batches, each seen when kept.

A stream is made with what it needs to connect and with the place where it goes on, and knows
nothing of events. Whoever is killed between taking a batch and counting it as seen gets it again;
the ids of its events tell the repetition.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol


class Message(NamedTuple):
    """One thing that a feed says.

    Attributes:
        position: Where to go on after it, in the feed's own words; empty where it has none.
        kind: What the feed calls it, like `order`; empty where it has no names for kinds.
        body: What is read as events, byte for byte.
        trouble: Why it can't be read, with the cure, where the feed knows that already; shows
            nothing of the body, for it may name a person. Such a message becomes a dead letter,
            whatever its kind.
    """

    position: str
    kind: str
    body: bytes
    trouble: str = ""


Take = Callable[[Sequence[Message]], None]
"""Takes a batch; returns once all that it says is durable, however long that takes.

Where it raises, the batch is not seen, and the error is for whoever runs the stream.
"""


class Stream(Protocol):
    """A feed that is set up, and not connected yet."""

    def run(self, take: Take, stop: threading.Event) -> None:
        """Deliver messages until told to stop, or until the feed ends for good.

        Batches come in the feed's order, one at a time and in one thread, and are bounded: nothing
        more is read from the feed than fits into one while `take` has not returned. Only after it
        has, the batch's position is kept, and the next run goes on behind it. What breaks for a
        while is connected again, later and later.

        Args:
            take: Called with every batch; what it raises ends the run, and the batch comes again
                with the next one.
            stop: Ends the run within a second where `take` returns in time.

        Raises:
            SettingsError: The feed refuses us for good, or a variable can't be used; the message
                shows no secret.
        """
        ...
