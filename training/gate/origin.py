"""Is the bundle made of what it says, of all of it, and of nothing later?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np
from numpy.typing import NDArray

from features.item import Item
from serving.model.bundle import Bundle
from serving.model.manifest import DataFacts
from training.checks import check
from training.dataset import Dataset
from training.ranks import rank_correlation
from training.reports import Check

KNOWN: Final = 0.8
"""Share of what customers did, in all and in each large category, whose items must be known."""
LARGE: Final = 0.05
"""Share of all that customers did which makes a category large."""
ON_SALE: Final = 0.5
"""Share of a bundle's popularity that must lie on items of the catalogue, if there is one."""
KEPT: Final = 0.8
"""Share of the champion's counts (items, customers, events) that must still be there. History only
grows, but for persons who are forgotten."""
LIKENESS: Final = 0.3
"""Rank correlation of popularity with what customers did; that of permuted ids is about 0."""

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Origin:
    """What a bundle may have been made of, read once more from the lake.

    Attributes:
        until: Nothing from this moment on may be in it; aware.
        data: What a fit must have read.
        items: Ids of the items of that history.
        weights: How much customers did with each, (items,), from 0.
        categories: Item id → its broadest category; an item that has none, or is not in the
            catalogue, is absent.
        catalogue: Ids of the catalogue; empty when there is none.
        newcomers: Items that first came up at `until` or later.
    """

    until: datetime
    data: DataFacts
    items: tuple[str, ...]
    weights: Floats
    categories: Mapping[str, str]
    catalogue: frozenset[str]
    newcomers: frozenset[str]


def origin_of(
    dataset: Dataset,
    catalogue: Mapping[str, Item] | None,
    until: datetime,
    later: frozenset[str] = frozenset(),
) -> Origin:
    """What a bundle may have been made of.

    Args:
        dataset: Read once more from the lake, as of `until`.
        catalogue: Item id → item.
        until: Nothing from this moment on may be in the bundle.
        later: Items that first came up then or later.
    """
    known = catalogue or {}
    return Origin(
        until=until,
        data=dataset.data,
        items=dataset.items,
        weights=np.asarray(dataset.matrix.sum(axis=0), np.float64).ravel(),
        categories={name: item.categories[0] for name, item in known.items() if item.categories},
        catalogue=frozenset(known),
        newcomers=later,
    )


def check_leak(bundle: Bundle, origin: Origin) -> Check:
    """Nothing in it is of the time that judges it: neither its data nor a single item."""
    as_of = bundle.manifest.data.as_of
    early = sorted(origin.newcomers.intersection(bundle.items))
    late = as_of > origin.until
    found = f"fitted on events before {as_of:%Y-%m-%d %H:%M}, with {len(early)} items of later"
    if early:
        found += f", like {early[0]}"
    return check(
        "leak",
        passed=not late and not early,
        found=found,
        cure=f"nothing from {origin.until:%Y-%m-%d %H:%M} on may be known to it",
        evidence={"newcomers": len(early), "days_late": (as_of - origin.until).days},
    )


def check_facts(bundle: Bundle, origin: Origin) -> Check:
    """The manifest says what the lake says: reading the same history again gives the same."""
    said, read = bundle.manifest.data, origin.data
    names = ("as_of", "lake_version", "events", "customers", "items", "interactions", "checksum")
    wrong = [name for name in names if getattr(said, name) != getattr(read, name)]
    found = "the manifest's data are those of the lake"
    if wrong:
        one = wrong[0]
        found = f"the manifest says {one} {getattr(said, one)}, the lake {getattr(read, one)}"
    return check(
        "facts",
        passed=not wrong,
        found=found,
        cure="it was not fitted on this history; train again",
        evidence={"events": said.events, "events_read": read.events},
    )


def check_items(bundle: Bundle, origin: Origin) -> Check:
    """It knows the items of nearly all that customers did."""
    share = _share_known(bundle, origin, np.ones(len(origin.items), np.bool_))
    return check(
        "items",
        passed=share >= KNOWN,
        found=f"{len(bundle.items):,} items, of {share:.1%} of what customers did",
        cure=f"at least {KNOWN:.0%} must be known: where are the other items?",
        evidence={"share": share, "at_least": KNOWN},
    )


def check_categories(bundle: Bundle, origin: Origin) -> Check:
    """No large category is missing from it."""
    labels = np.array([origin.categories.get(item, "") for item in origin.items])
    total = float(origin.weights.sum())
    shares = {
        str(name): _share_known(bundle, origin, labels == name)
        for name in np.unique(labels[labels != ""])
        if origin.weights[labels == name].sum() >= LARGE * total > 0
    }
    lost = sorted(name for name, share in shares.items() if share < KNOWN)
    found = f"all {len(shares)} large categories are known"
    if lost:
        found = f"category {lost[0]}: {shares[lost[0]]:.1%} of what customers did is known"
    return check(
        "categories",
        passed=not lost,
        found=found,
        cure=f"at least {KNOWN:.0%} must be: was a feed cut off?",
        evidence={"large": len(shares), "lost": len(lost)},
    )


def check_catalogue(bundle: Bundle, origin: Origin) -> Check:
    """Much of what it knows can be shown."""
    if not origin.catalogue:
        return check("catalogue", passed=True, found="there is no catalogue to compare with")
    inside = np.array([item in origin.catalogue for item in bundle.items])
    popularity = bundle.popularity.astype(np.float64)
    share = float(popularity[inside].sum() / max(popularity.sum(), np.finfo(float).tiny))
    return check(
        "catalogue",
        passed=share >= ON_SALE,
        found=f"{share:.1%} of its popularity is of items in the catalogue",
        cure="their ids differ, or the catalogue is not filled: see `homing import`",
        evidence={"share": share, "at_least": ON_SALE},
    )


def check_id_map(bundle: Bundle, origin: Origin) -> Check:
    """Rows belong to the ids they bear: its popularity goes with what customers did."""
    place = {item: row for row, item in enumerate(origin.items)}
    pairs = [(row, place[item]) for row, item in enumerate(bundle.items) if item in place]
    rows, places = (
        np.array(side, np.int64) for side in (zip(*pairs, strict=True) if pairs else ((), ()))
    )
    likeness = rank_correlation(bundle.popularity[rows], origin.weights[places])
    # Where all items are alike there is no order to be lost.
    return check(
        "id map",
        passed=not likeness < LIKENESS and len(pairs) > 0,
        found=f"popularity and what customers did correlate by {likeness:.2f}",
        cure="rows and ids do not belong together: rebuild the map of ids",
        evidence={"correlation": likeness, "at_least": LIKENESS},
    )


def check_shrunk(bundle: Bundle, champion: DataFacts | None) -> Check:
    """It was made of no less than the champion was."""
    if champion is None:
        return check("shrunk", passed=True, found="there is no champion to compare with")
    said = bundle.manifest.data
    shares = {
        name: getattr(said, name) / max(1, getattr(champion, name))
        for name in ("items", "customers", "events")
    }
    shares["bundle items"] = bundle.manifest.items / max(1, champion.items)
    name, least = min(shares.items(), key=lambda pair: pair[1])
    return check(
        "shrunk",
        passed=least >= KEPT,
        found=f"{name}: {least:.2f} times what the champion was made of",
        cure="history only grows: was a part of the lake lost or not imported?",
        evidence={**shares, "at_least": KEPT},
    )


def _share_known(bundle: Bundle, origin: Origin, among: NDArray[np.bool_]) -> float:
    known = np.array([item in bundle.index for item in origin.items])
    total = float(origin.weights[among].sum())
    return float(origin.weights[among & known].sum() / total) if total > 0 else float("nan")
