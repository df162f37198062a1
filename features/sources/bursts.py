"""Robots by their haste: a scanner follows every link of a mail at once, whatever it calls itself.

Only clicks of one delivery are compared, so that one which is sent again says the same again. Here
alone the addresses are known, which no event keeps: several may lead to one item.
`features.bursts` holds the rule, and looks at what comes of a mail over several deliveries.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable
from datetime import datetime
from typing import NamedTuple

from features.bursts import LINKS, WITHIN


class Click(NamedTuple):
    """One link that was followed.

    Attributes:
        mail: Of which mail, to whom.
        at: When.
        link: Where it led.
        place: Names this click.
    """

    mail: Hashable
    at: datetime
    link: str
    place: int


def in_bursts(clicks: Iterable[Click]) -> set[int]:
    """Places of the clicks that belong to `LINKS` different links of a mail `WITHIN` seconds."""
    mails: defaultdict[Hashable, list[Click]] = defaultdict(list)
    for click in clicks:
        mails[click.mail].append(click)
    found: set[int] = set()
    for mail in mails.values():
        found.update(_hasty(sorted(mail, key=lambda click: click.at)))
    return found


def _hasty(clicks: list[Click]) -> Iterable[int]:
    """Of one mail's clicks, in their order of time: a window of them moves along."""
    first, unmarked = 0, 0
    links: Counter[str] = Counter()
    for last, click in enumerate(clicks):
        links[click.link] += 1
        while click.at - clicks[first].at > WITHIN:
            gone = clicks[first].link
            links[gone] -= 1
            if not links[gone]:
                del links[gone]
            first += 1
        if len(links) >= LINKS:
            yield from (one.place for one in clicks[max(first, unmarked) : last + 1])
            unmarked = last + 1
