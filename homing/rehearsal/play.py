"""A campaign played before it goes out: every recipient's fetches, at the rate they will come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
import numpy as np

from features.errors import UNDECODABLE, Unavailable
from features.progress import Advance
from homing.rehearsal.heard import PLATFORM_SECONDS, Fetch, Listener
from homing.rehearsal.load import Sending, evenly, open_loop
from homing.rehearsal.measured import OK, Measured
from homing.rehearsal.report import Rehearsal
from homing.rehearsal.wire import Target

PATH: Final = "/v1/recommendations"
STEPS: Final = 100
"""How often it tells how far it is."""


@dataclass(frozen=True)
class Script:
    """What is played.

    Attributes:
        recipients: Customers' ids or keys.
        blocks: That each of them fetches.
        send: Id of the send.
        rate: Fetches a second.
        repeat: Fetch everything twice, as the image and the link of a mail do.
        connections: At most so many at once.
    """

    recipients: Sequence[str]
    blocks: Sequence[str]
    send: str
    rate: float
    repeat: bool = False
    connections: int = 256

    def fetches(self) -> list[Fetch]:
        """In the order in which they fall due: a recipient's together, repeats right behind."""
        return [
            Fetch(recipient, block, again)
            for recipient in range(len(self.recipients))
            for again in ((False, True) if self.repeat else (False,))
            for block in self.blocks
        ]


def play(
    script: Script, url: str, key: str | None, sizes: Mapping[str, int], advance: Advance
) -> tuple[Rehearsal, Measured]:
    """Ask a running scorer for everything, and look at every answer.

    No exposure is recorded: the fetches say `record=0`. The slates stay pinned under the send's id.

    Args:
        script: What is asked.
        url: The scorer's address.
        key: An API key with scope `recommend`; None where none is asked for.
        sizes: Items that a slate of each block has to show.
        advance: Told of fetches answered, and of all.

    Returns:
        What was found, and the load's own record.

    Raises:
        InvalidArgument: The URL can't be used.
        Unavailable: Nothing listens there, or it refuses what templates would ask.
    """
    target = Target.of(url)
    headers = {} if key is None else {"Authorization": f"Bearer {key}"}
    fetches = script.fetches()
    requests = [_request(target, script, fetch, headers) for fetch in fetches]
    _try(target, requests[0], url)
    listener, total = Listener(fetches), len(fetches)
    step = max(total // STEPS, 1)

    def heard(number: int, status: int, body: bytes) -> None:
        listener.heard(number, status, body)
        done = len(listener.seen) + len(listener.refused)
        if done % step == 0:
            advance(done, total)

    sending = Sending(target, script.connections, patience=PLATFORM_SECONDS, heard=heard)
    measured = open_loop(sending, requests, evenly(script.rate, total))
    found = listener.findings(measured, sizes)
    report = Rehearsal(
        url=url,
        send=script.send,
        blocks=tuple(script.blocks),
        recipients=len(script.recipients),
        rate=script.rate,
        load=measured.figures(),
        rungs=found.rungs,
        blanks=dict(found.blanks),
        examples=found.examples,
        repeated=script.repeat,
        differing=found.differing,
        twice=found.twice,
        across=found.across,
        items=found.items,
        dominant=found.dominant,
        top_share=found.top_share,
    )
    return report, measured


def _request(target: Target, script: Script, fetch: Fetch, headers: Mapping[str, str]) -> bytes:
    query = {
        "customer": script.recipients[fetch.recipient],
        "block": fetch.block,
        "send": script.send,
        "record": "0",
    }
    return target.request(f"{PATH}?{urlencode(query, quote_via=quote)}", headers)


def _try(target: Target, request: bytes, url: str) -> None:
    """See that one fetch is let in, before a whole campaign is refused."""
    answers: list[tuple[int, bytes]] = []
    sending = Sending(target, 1, heard=lambda _, status, body: answers.append((status, body)))
    open_loop(sending, [request], np.zeros(1))
    status, body = answers[0] if answers else (0, b"")
    if status == OK:
        return
    what = f"answers {status}" if status else "hangs up"
    message = f"{url} {what} to the first fetch: {_detail(body)}"
    raise Unavailable(message)


def _detail(body: bytes) -> str:
    """What a problem document says."""
    try:
        document = msgspec.json.decode(body, type=dict[str, object])
    except UNDECODABLE:
        return "is it the address of a scorer?"
    return str(document.get("detail", "is it the address of a scorer?"))
