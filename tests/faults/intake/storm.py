"""A duplicate storm: every event comes 1 to 40 times, by several senders, in any order.

Lake and profiles must be those of each event once.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import httpx

from features.clock import SystemClock
from features.event import Event
from serving.keys import KeyFile
from tests.faults.intake.killing import running
from tests.faults.intake.outcome import Wrong, settled
from tests.faults.intake.telling import Telling, Tells
from tests.faults.proxy import HOST

MOST: Final = 40
"""Times that an event comes at most."""
TOGETHER: Final = 100
"""Events of a request."""


@dataclass(frozen=True)
class Stormed:
    """What came of it.

    Attributes:
        events: Different ones.
        sent: How many came, with all repetitions.
        wrong: What the repetitions have changed.
    """

    events: int
    sent: int
    wrong: Wrong


def run_storm(home: Path, events: int, seed: int = 7) -> Stormed:
    """Send so many events in a storm.

    Half of them are our own, and come by `/v1/events` or as Standard Webhooks, each copy as it
    happens; half are SendGrid's.

    Args:
        home: An empty folder.
        events: How many different ones.
        seed: Of how often each comes, by whom and when.
    """
    random = Random(seed)  # noqa: S311 - shuffles
    once = [(own, number) for own in (True, False) for number in range(events // 2)]
    many = [one for one in once for _ in range(random.randint(1, MOST))]
    random.shuffle(many)
    with running("SQLite", home) as (url, port, _):
        token = KeyFile(home / "keys.json", SystemClock()).create("shop", ["events"]).token
        telling, sent = Telling(token, SystemClock()), list[Event]()
        with httpx.Client(base_url=f"http://{HOST}:{port}", timeout=30) as client:
            for tells, numbers in _requests(telling, many, random):
                told = tells(numbers)
                answer = client.post(told.path, content=told.body, headers=dict(told.headers))
                assert answer.status_code in {200, 202}, answer.text
                sent += told.events
        wrong, _ = settled(home, url, sent)
    return Stormed(len(once), len(sent), wrong)


def _requests(
    telling: Telling, some: Sequence[tuple[bool, int]], random: Random
) -> Iterator[tuple[Tells, list[int]]]:
    """Who tells what, in the order given but for what goes into one request."""
    kinds = (telling.by_api, telling.by_standard_webhooks, telling.by_sendgrid)
    waiting: dict[int, list[int]] = {place: [] for place in range(len(kinds))}
    for own, number in some:
        place = random.randrange(2) if own else 2
        waiting[place].append(number)
        if len(waiting[place]) == TOGETHER:
            yield kinds[place], waiting[place]
            waiting[place] = []
    yield from ((kinds[place], numbers) for place, numbers in waiting.items() if numbers)
