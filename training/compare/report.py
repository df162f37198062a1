"""What a comparison found: all of it data, for the page, the terminal and a machine alike."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from training.reports import Figure

Mark = Literal["better", "worse", "higher", "lower", "level", "unknown"]
"""Of b against a: `level` where the interval of the difference holds 0, `unknown` without one,
`higher` and `lower` for what describes and does not judge."""
Movement = Literal["stable", "moved", "drifted"]
Why = Literal["b_finds_more", "a_finds_more", "least_in_common", "typical", "most_in_common"]
"""What makes a customer an example."""


def mark_of(difference: Figure | None, *, judges: bool = True) -> Mark:
    """What the interval of a difference says.

    Args:
        difference: Knows which way is better.
        judges: Whether there is a better at all.
    """
    # NaN compares false: what has no interval is not known.
    if difference is None or not difference.low <= difference.high:
        return "unknown"
    if difference.low <= 0 <= difference.high:
        return "level"
    if not judges:
        return "higher" if difference.low > 0 else "lower"
    return "better" if (difference.low > 0) == difference.higher_is_better else "worse"


class Paired(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of two versions side by side.

    Attributes:
        metric: The metric's name.
        a: Of the first version; None where it was not measured.
        b: Of the second.
        difference: b minus a, over the same customers; None where it can't be paired.
        mark: What the interval of the difference says; `mark_of` it.
    """

    metric: str
    a: Figure | None
    b: Figure | None
    difference: Figure | None
    mark: Mark


class Slice(msgspec.Struct, frozen=True, kw_only=True):
    """The headline metric of some of the customers.

    Attributes:
        name: Like `new`, `loyal` or `category tea`.
        customers: How many.
        found: The metric, with the paired difference over these customers alone.
    """

    name: str
    customers: int
    found: Paired


class Overlap(msgspec.Struct, frozen=True, kw_only=True):
    """How much the slates of both have in common.

    Attributes:
        size: Items in a slate.
        share: Mean share of a slate that is in the other's too, over customers.
        customers: How many customers have 0, 1, … `size` items in common.
    """

    size: int
    share: Figure
    customers: tuple[int, ...]


class ItemMoved(msgspec.Struct, frozen=True, kw_only=True):
    """An item that one version shows to more customers than the other.

    Attributes:
        item: Its id.
        title: Its title, or its id where it has none.
        a: Share of the customers to whom the first version shows it.
        b: Share of them to whom the second does.
    """

    item: str
    title: str
    a: float
    b: float


class GroupMoved(msgspec.Struct, frozen=True, kw_only=True):
    """A group of customers, and how much of their slates changed.

    Attributes:
        name: The slice's name.
        customers: How many of those whose slates were laid beside each other.
        changed: Mean share of the slate that is another.
    """

    name: str
    customers: int
    changed: float


class Shown(msgspec.Struct, frozen=True):
    """An item on a slate.

    Attributes:
        item: Its id.
        title: Its title, or its id where it has none.
        hit: Whether the customer bought it in held-out time.
    """

    item: str
    title: str
    hit: bool


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """One customer, and what each version would show.

    Attributes:
        customer: The customer key.
        why: Why this one is shown.
        history: Titles of what the customer dealt with last, the latest first.
        bought: Titles of what the customer bought in held-out time.
        a: The first version's slate, best first.
        b: The second's.
    """

    customer: str
    why: Why
    history: tuple[str, ...]
    bought: tuple[str, ...]
    a: tuple[Shown, ...]
    b: tuple[Shown, ...]


class Slates(msgspec.Struct, frozen=True, kw_only=True):
    """What both versions show to the same customers.

    Attributes:
        customers: How many were looked at.
        overlap: What the slates have in common.
        gained: Items that b shows to more of the customers, the greatest gain first.
        lost: Items that b shows to fewer, the greatest loss first.
        groups: Those whose slates changed most, first.
        examples: Customers side by side.
    """

    customers: int
    overlap: Overlap
    gained: tuple[ItemMoved, ...]
    lost: tuple[ItemMoved, ...]
    groups: tuple[GroupMoved, ...]
    examples: tuple[Example, ...]


class Curve(msgspec.Struct, frozen=True, kw_only=True):
    """How often what a version said came true, in bins of equal numbers of customers.

    Attributes:
        version: Who said it.
        said: Mean probability of each bin, ascending.
        came: Share of each bin that it came true for.
    """

    version: str
    said: tuple[float, ...]
    came: tuple[float, ...]


class Drifted(msgspec.Struct, frozen=True, kw_only=True):
    """How far one distribution moved from the first data version to the second.

    Attributes:
        name: A feature's, or what the distribution is of.
        kind: `score` of a version, `items` for how purchases spread over items, or `feature`.
        a: Median in the first data version; for `items`, the share of all popularity that the ten
            items which were most popular then hold.
        b: The same in the second.
        psi: Population stability index.
        ks: Greatest distance of the two cumulative distributions, 0 to 1.
        noise: What the index of two samples of one distribution stays below 19 times in 20.
        movement: By the thresholds; never more than `stable` within the noise.
    """

    name: str
    kind: Literal["score", "items", "feature"]
    a: float
    b: float
    psi: float
    ks: float
    noise: float
    movement: Movement


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """How the data of the two versions differ.

    Attributes:
        lake: Versions of the table of events: of a, of b; None where not known.
        as_of: Ends of the histories: of a, of b.
        moved_at: Index from which a distribution counts as moved.
        drifted_at: Index from which it counts as drifted.
        found: Every distribution, the farthest first.
        note: What a reader must know of how it was measured; "" when nothing.
    """

    lake: tuple[int | None, int | None]
    as_of: tuple[datetime, datetime]
    moved_at: float
    drifted_at: float
    found: tuple[Drifted, ...]
    note: str = ""


class Cost(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that making a version took.

    Attributes:
        name: Like `fit_seconds`.
        a: Of the first version; None where it was not measured.
        b: Of the second.
    """

    name: str
    a: float | None
    b: float | None


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """Two versions of one registered model side by side.

    Attributes:
        a: The first version's name, like `recommender/11`.
        b: The second's.
        model: The registered model.
        mark: Of b against a, by the headline metric.
        verdict: The same as a sentence.
        note: What a reader must know of how they were compared.
        customers: On how many customers both were judged; 0 where they were not.
        headline: Names of the metrics that are told first; that of the verdict is the first.
        metrics: What both were judged by.
        slices: The headline metric of kinds of customers.
        slates: What both show to the same customers; None for models that make no slates.
        calibration: A curve a version; empty for models that say no probability.
        drift: How the data differ; None where it can't be read any more.
        costs: What making each took.
        facts: Name → (of a, of b): algorithm, parameters, data version, times, aliases.
        page: Where the HTML page was written; None without one.
        logged: Name of the artifact that it became of the second version's run; None without one.
    """

    a: str
    b: str
    model: str
    mark: Mark
    verdict: str
    note: str
    customers: int = 0
    headline: tuple[str, ...] = ()
    metrics: tuple[Paired, ...] = ()
    slices: tuple[Slice, ...] = ()
    slates: Slates | None = None
    calibration: tuple[Curve, ...] = ()
    drift: Drift | None = None
    costs: tuple[Cost, ...] = ()
    facts: dict[str, tuple[str, str]] = {}
    page: str | None = None
    logged: str | None = None
