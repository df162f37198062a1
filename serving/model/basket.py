"""A customer as a model sees one: the weighed items of a history, as rows of a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np
from numpy.typing import NDArray

from features.event import EventType
from features.profile import History
from serving.model.weighting import NEGLIGIBLE, Weighting


@dataclass(frozen=True, eq=False)
class Basket:
    """The items that a history says something about, heaviest evidence and all.

    Attributes:
        rows: Rows of the bundle, int32, ascending, unique.
        weights: Their weights, float32, positive; same length.
        kinds: For each, the type of event that counts most, the latest of those; for reasons
            like "because you bought …".
    """

    rows: NDArray[np.int32]
    weights: NDArray[np.float32]
    kinds: tuple[EventType, ...]

    def __len__(self) -> int:
        return len(self.rows)


def basket_of(
    history: History, index: Mapping[str, int], weighting: Weighting, now: datetime
) -> Basket:
    """What a history says, as of now.

    Args:
        history: Interactions later than `now` count as new.
        index: Item id → row; items that are not in it are left out.
        weighting: The bundle's own.
        now: Aware.
    """
    moment = now.timestamp()
    rate = weighting.decay_per_second()
    weights: dict[int, float] = {}
    strongest: dict[int, tuple[float, EventType]] = {}
    for seen in history.interactions:
        row = index.get(seen.item)
        gain = weighting.types.get(seen.type, 0.0)
        if row is None or not gain:
            continue
        faded = gain * 2.0 ** (-rate * max(moment - seen.at, 0.0))
        weights[row] = weights.get(row, 0.0) + faded
        if row not in strongest or gain >= strongest[row][0]:
            strongest[row] = gain, seen.type
    rows = sorted(row for row, weight in weights.items() if weight > NEGLIGIBLE)
    return Basket(
        rows=np.array(rows, np.int32),
        weights=np.array([weights[row] for row in rows], np.float32),
        kinds=tuple(strongest[row][1] for row in rows),
    )
