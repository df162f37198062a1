"""What is asked: as e-mail platforms ask, with several fetches for one mail, and fetches again."""

from __future__ import annotations

from collections import deque
from random import Random
from typing import NamedTuple
from urllib.parse import urlencode

from tests.faults.world import CUSTOMERS, SIZES, bought, customer_id

REMEMBERED = 2_000
"""Mails that are opened again."""
HURRIED = 0.1
"""The part of all mails whose fetches have a deadline of their own, where that is wanted."""


class Asked(NamedTuple):
    """One fetch.

    Attributes:
        number: Of the customer; from `CUSTOMERS` on one whom no store knows.
        block: The block's name.
        send: The mail; empty without one.
        first: Whether it is the first of its (customer, block, send).
        deadline_ms: Its own deadline; None for the scorer's.
    """

    number: int
    block: str
    send: str = ""
    first: bool = True
    deadline_ms: int | None = None

    @property
    def known(self) -> bool:
        """Whether the stores know this customer."""
        return self.number < CUSTOMERS

    @property
    def owned(self) -> frozenset[str]:
        """What the customer has bought."""
        return bought(self.number) if self.known else frozenset()

    def request(self, token: str) -> bytes:
        """The fetch as it goes over the line."""
        query: dict[str, str] = {"customer": customer_id(self.number), "block": self.block}
        if self.send:
            query["send"] = self.send
        if self.deadline_ms is not None:
            query["deadline_ms"] = str(self.deadline_ms)
        return (
            f"GET /v1/recommendations?{urlencode(query)} HTTP/1.1\r\n"
            f"host: scorer\r\nauthorization: Bearer {token}\r\n\r\n"
        ).encode()


class Mix:
    """An endless, repeatable series of fetches.

    Of a hundred, about 30 have no send; 30 are a mail's first, most of them at once followed by the
    second, as image and link are; 30 come back to a mail of before; 10 are of unknown customers.

    Args:
        seed: Another number is another series.
        name: Begins the names of its sends; no two series with the same stores may share one.
        deadline_ms: The own deadline of some fetches; None for none.
    """

    def __init__(self, seed: int, name: str, deadline_ms: int | None = None) -> None:
        self._random = Random(seed)  # noqa: S311 - a toy's dice
        self._name = name
        self._deadline_ms = deadline_ms
        self._count = 0
        self._next: Asked | None = None
        self._mails: deque[Asked] = deque(maxlen=REMEMBERED)

    def draw(self) -> Asked:
        """The next fetch."""
        asked, self._next = self._next or self._drawn(), None
        self._count += 1
        if asked.send and asked.first:
            again = asked._replace(first=False)
            self._mails.append(again)
            self._next = again if self._random.random() < 0.6 else None
        return asked

    def _drawn(self) -> Asked:
        dice, block = self._random.random(), self._random.choice(tuple(SIZES))
        if dice < 0.35 and self._mails:
            mail = self._random.choice(self._mails)
            if self._random.random() < 0.8:
                return mail
            # Another place of a mail that has been opened; perhaps opened there as well by now.
            return mail._replace(block=block, first=False)
        number = self._random.randrange(CUSTOMERS)
        if dice > 0.9:
            number += CUSTOMERS
        send = f"{self._name}-{self._count}" if self._random.random() < 0.5 else ""
        hurried = self._random.random() < HURRIED
        return Asked(number, block, send, deadline_ms=self._deadline_ms if hurried else None)
