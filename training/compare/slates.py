"""What two versions show to the same customers: in common, moved, and one customer at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.item import Item
from features.profile import History
from serving.model.bundle import Bundle
from serving.model.scoring import open_scorer
from serving.ranking.blocks import Block
from serving.ranking.bundle_view import bundle_view
from serving.ranking.chain import Ask, rank_many
from training.compare.report import Example, GroupMoved, ItemMoved, Overlap, Shown, Slates, Why
from training.entries import figure
from training.evaluate import PRIMARY
from training.heldout import HeldOut
from training.judging import scored
from training.metrics import bootstrap_mean

SIZE: Final = 10
"""Items of the slates that are laid beside each other."""
MOVED_ITEMS: Final = 10
"""Items told that gained most, and as many that lost most."""
MOVED_GROUPS: Final = 8
LEAST_GROUP: Final = 5
"""Customers of a group that is told."""
HISTORY: Final = 6
"""Items told of what an example customer did and bought."""

Bools = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Beside:
    """Slates of both versions for the same customers.

    Attributes:
        held_out: The customers, what they had done, and what they bought then.
        a: Item ids that the first version shows to each, best first.
        b: That the second does.
    """

    held_out: HeldOut
    a: tuple[tuple[str, ...], ...]
    b: tuple[tuple[str, ...], ...]

    @cached_property
    def common(self) -> NDArray[np.int64]:
        """Items that both show, (customers,)."""
        pairs = zip(self.a, self.b, strict=True)
        return np.array([len(set(one) & set(other)) for one, other in pairs], np.int64)

    @cached_property
    def alike(self) -> NDArray[np.float64]:
        """Share of the longer slate that both show, (customers,); 1 where both are empty."""
        pairs = zip(self.a, self.b, strict=True)
        sizes = np.array([max(len(one), len(other)) for one, other in pairs])
        return np.where(sizes, self.common / np.maximum(sizes, 1), 1.0)

    def hits(self, slates: Sequence[Sequence[str]]) -> NDArray[np.int64]:
        """How many of each slate's items the customer bought, (customers,)."""
        pairs = zip(slates, self.held_out.targets, strict=True)
        return np.array([len(targets.intersection(slate)) for slate, targets in pairs], np.int64)


def slates_beside(
    pair: tuple[Bundle, Bundle], held_out: HeldOut, catalogue: Mapping[str, Item] | None
) -> Beside:
    """What both show to each customer of held-out time, by the chain that serves."""
    block = Block(name=PRIMARY, size=SIZE, allow_repeats=False)
    asks = [Ask(block, history=one) for one in held_out.histories]
    slates: list[tuple[tuple[str, ...], ...]] = []
    for bundle in pair:
        view = bundle_view(bundle, catalogue)
        ranked = [
            rows
            for part, scores in scored(open_scorer(bundle), held_out.baskets(bundle.index))
            for rows in rank_many(view, scores, asks[part], held_out.at)
        ]
        slates.append(tuple(tuple(bundle.items[row] for row in rows) for rows in ranked))
    return Beside(held_out, *slates)


def compare_slates(
    beside: Beside, groups: Mapping[str, Bools], catalogue: Mapping[str, Item] | None
) -> Slates:
    """What they have in common, what moved for whom, and examples.

    Args:
        beside: The slates.
        groups: Name → which of the customers, (customers,).
        catalogue: Knows titles.
    """
    titles = {name: item.title for name, item in (catalogue or {}).items()}
    moved = _moved(beside, titles)
    changed = [
        GroupMoved(
            name=name, customers=int(mask.sum()), changed=float(1 - beside.alike[mask].mean())
        )
        for name, mask in groups.items()
        if mask.sum() >= LEAST_GROUP
    ]
    changed.sort(key=lambda one: (-one.changed, one.name))
    return Slates(
        customers=len(beside.a),
        overlap=_overlap(beside),
        gained=tuple(one for one in moved if one.b > one.a)[:MOVED_ITEMS],
        lost=tuple(one for one in sorted(moved, key=_gain) if one.b < one.a)[:MOVED_ITEMS],
        groups=tuple(changed[:MOVED_GROUPS]),
        examples=_examples(beside, titles),
    )


def _overlap(beside: Beside) -> Overlap:
    counts = np.bincount(beside.common, minlength=SIZE + 1)
    share = figure("a and b", f"slates in common, of {SIZE}", bootstrap_mean(beside.alike))
    return Overlap(size=SIZE, share=share, customers=tuple(int(one) for one in counts))


def _moved(beside: Beside, titles: Mapping[str, str]) -> list[ItemMoved]:
    """Every item on any slate, the greatest gain first, ties by id."""
    customers = len(beside.a)
    shown = [_counted(slates) for slates in (beside.a, beside.b)]
    moved = [
        ItemMoved(
            item=item,
            title=titles.get(item, item),
            a=shown[0].get(item, 0) / customers,
            b=shown[1].get(item, 0) / customers,
        )
        for item in sorted({*shown[0], *shown[1]})
    ]
    return sorted(moved, key=lambda one: -_gain(one))


def _gain(moved: ItemMoved) -> float:
    return moved.b - moved.a


def _counted(slates: Sequence[Sequence[str]]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for slate in slates:
        for item in slate:
            counts[item] = counts.get(item, 0) + 1
    return counts


def _examples(beside: Beside, titles: Mapping[str, str]) -> tuple[Example, ...]:
    """Customers whom it differs for in different ways; each for one reason only."""
    gain = beside.hits(beside.b) - beside.hits(beside.a)
    order = np.argsort(beside.alike, kind="stable")
    wanted: dict[Why, int | None] = {
        "b_finds_more": int(np.argmax(gain)) if gain.max() > 0 else None,
        "a_finds_more": int(np.argmin(gain)) if gain.min() < 0 else None,
        "least_in_common": int(order[0]),
        "typical": int(order[len(order) // 2]),
        "most_in_common": int(order[-1]),
    }
    reasons: dict[int, Why] = {}
    for why, n in wanted.items():
        if n is not None:
            reasons.setdefault(n, why)
    return tuple(_example(beside, n, why, titles) for n, why in reasons.items())


def _example(beside: Beside, n: int, why: Why, titles: Mapping[str, str]) -> Example:
    targets = beside.held_out.targets[n]

    def shown(slate: Sequence[str]) -> tuple[Shown, ...]:
        return tuple(Shown(item, titles.get(item, item), item in targets) for item in slate)

    return Example(
        customer=beside.held_out.customers[n],
        why=why,
        history=tuple(titles.get(item, item) for item in _latest(beside.held_out.histories[n])),
        bought=tuple(titles.get(item, item) for item in sorted(targets))[:HISTORY],
        a=shown(beside.a[n]),
        b=shown(beside.b[n]),
    )


def _latest(history: History) -> list[str]:
    """The items dealt with last, each once, the latest first."""
    return list(dict.fromkeys(seen.item for seen in reversed(history.interactions)))[:HISTORY]
