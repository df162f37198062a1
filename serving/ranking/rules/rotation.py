"""What was shown and not wanted makes room, and comes back as time goes by.

Each showing of an item in one of the customer's last mails presses on it, half as much for each
half-life that has passed since. That the customer asked for the item at or after a showing takes
away this and all earlier ones. An item falls by its pressure times the length of the block's slate,
in places: what was shown a moment ago falls by one whole slate. By place and not by score, for the
same reason as `serving.ranking.rules.diversity`.

So this is no rule that says who may have the next place. It says in which order the others find the
candidates, and where diversity finds them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from features.event import EventType
from features.profile import History
from serving.ranking.top import EMPTY, Rows
from serving.ranking.view import ItemView

SECONDS_A_DAY: Final = 86_400.0
WANTED: Final = frozenset(
    {EventType.EMAIL_CLICK, EventType.VIEW, EventType.CART, EventType.PURCHASE}
)
"""By these a customer asks for an item."""


class Pressure(NamedTuple):
    """What presses on the items of some customers; on all others nothing does.

    Attributes:
        cells: Number of the customer times `width`, plus the item's row; ascending.
        values: Pressure there, above 0.
        width: Rows of the view.
    """

    cells: Rows
    values: NDArray[np.float64]
    width: int

    def on(self, customers: Rows, rows: Rows) -> NDArray[np.float64]:
        """The pressure on some rows of some customers.

        Args:
            customers: Their numbers, (customers,).
            rows: (customers, candidates), `EMPTY` where there is none.

        Returns:
            (customers, candidates), 0 where nothing presses.
        """
        cells = customers[:, None] * self.width + rows
        places = np.minimum(np.searchsorted(self.cells, cells), len(self.cells) - 1)
        pressed = (self.cells[places] == cells) & (rows != EMPTY)
        return np.where(pressed, self.values[places], 0.0)


class Rotated(NamedTuple):
    """Candidates in the order in which pressure leaves them.

    Attributes:
        order: Where each stood before, (customers, candidates).
        places: Where each stands now, in places, ascending but for what is `EMPTY`; likewise.
        moved: Which stand before others that they stood behind, or the other way round; likewise.
    """

    order: Rows
    places: NDArray[np.float64]
    moved: NDArray[np.bool_]


def pressed_items(history: History, days: float, now: datetime) -> dict[str, float]:
    """Item → what presses on it, of one customer.

    Args:
        history: With the exposures.
        days: Half-life.
        now: Aware.
    """
    pressure: defaultdict[str, float] = defaultdict(float)
    if history.exposures:
        wanted = _last_wanted(history, history.exposures[0].at)
        moment = now.timestamp()
        for shown in history.exposures:
            age = max(0.0, moment - shown.at) / SECONDS_A_DAY
            for item in shown.items:
                if wanted.get(item, -math.inf) < shown.at:
                    pressure[item] += 0.5 ** (age / days)
    return pressure


def pressure_of(
    view: ItemView, histories: Sequence[History], days: float | None, now: datetime
) -> Pressure | None:
    """What presses on the items of many customers; None where nothing does.

    Args:
        view: Of the items.
        histories: One a customer.
        days: Half-life; None where the block doesn't rotate.
        now: Aware.
    """
    if days is None:
        return None
    width = len(view.items)
    pressed = {
        number * width + view.index[item]: value
        for number, history in enumerate(histories)
        for item, value in pressed_items(history, days, now).items()
        if item in view.index
    }
    if not pressed:
        return None
    cells, values = np.fromiter(pressed, np.int64), np.fromiter(pressed.values(), np.float64)
    order = np.argsort(cells)
    return Pressure(cells[order], values[order], width)


def rotated(rows: Rows, pressure: NDArray[np.float64], size: int) -> Rotated:
    """Candidates let down by what presses on them; of those in one place the better is first.

    Args:
        rows: (customers, candidates), best first, `EMPTY` where there is none.
        pressure: On each.
        size: Places of the block's slate.
    """
    width = rows.shape[1]
    places = np.where(rows == EMPTY, np.inf, np.arange(width) + pressure * size)
    order = np.argsort(places, axis=1, kind="stable")
    there = np.take_along_axis(rows, order, axis=1) != EMPTY
    behind = np.where(there, order, width)[:, ::-1]
    passed = np.minimum.accumulate(behind, axis=1)[:, ::-1] < order
    falls = np.maximum.accumulate(order, axis=1) > order
    return Rotated(order, np.take_along_axis(places, order, axis=1), there & (passed | falls))


def _last_wanted(history: History, since: int) -> dict[str, int]:
    """Item → when the customer last asked for it, from a moment on (seconds since 1970)."""
    wanted: dict[str, int] = {}
    for one in reversed(history.interactions):
        if one.at < since:
            break
        if one.type in WANTED:
            wanted.setdefault(one.item, one.at)
    return wanted
