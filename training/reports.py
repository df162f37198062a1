"""What training, publishing, promoting and comparing tell those who asked for it.

All of it is data: `msgspec.to_builtins(report)` is the machine's answer of the command line.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One metric of one model on held-out time.

    Attributes:
        model: Who was judged, like `als` or `blend`.
        metric: The metric's name.
        value: The mean over customers.
        low: Lower end of its 95 % bootstrap interval.
        high: Upper end.
        higher_is_better: Which way is better.
    """

    model: str
    metric: str
    value: float
    low: float
    high: float
    higher_is_better: bool = True


class Check(msgspec.Struct, frozen=True):
    """One thing that the gate looked at.

    Attributes:
        name: One or two words, like `fresh`, or `bundle: sound` where several things are looked at.
        passed: Whether it lets the challenger through.
        reason: One line: what was found and, of what failed, what to do.
        evidence: Name → figure that decided.
    """

    name: str
    passed: bool
    reason: str
    evidence: dict[str, float] = {}


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate said of a challenger.

    Attributes:
        passed: Whether it may become champion.
        against: What it was compared with: `recommender/11`, or a baseline like `popularity`.
        metric: What was compared.
        difference: Challenger minus the other.
        low: Lower end of the difference's paired 95 % bootstrap interval.
        high: Upper end.
        reason: One sentence: of the first check that failed, or of the comparison.
        checks: All that was looked at, in that order.
    """

    passed: bool
    against: str
    metric: str
    difference: float
    low: float
    high: float
    reason: str
    checks: tuple[Check, ...] = ()


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """What tuning found of one algorithm, on validation time.

    Attributes:
        algorithm: Which.
        trials: Recipes that were tried, those of an interrupted tuning included.
        pruned: Of them, given up before all customers were asked.
        seconds: That they took.
        best: The gate's metric of the best recipe.
        default: The same of the algorithm's default.
    """

    algorithm: str
    trials: int
    pruned: int
    seconds: float
    best: float
    default: float


class Trained(msgspec.Struct, frozen=True, kw_only=True):
    """A model that was made, judged and registered.

    Attributes:
        version: Like `recommender/12`.
        algorithm: What won, like `als`.
        run: MLflow's id of the run.
        figures: Metrics of every candidate, baselines included.
        verdict: What the gate said.
        seconds: Fit, judgement and registration.
        tuned: What tuning found, one an algorithm; nothing without a budget.
        churns: Of a churn model, days without a purchase that are churn, and days that a customer
            is active after one; None of a recommender.
    """

    version: str
    algorithm: str
    run: str
    figures: tuple[Figure, ...]
    verdict: Verdict
    seconds: float
    tuned: tuple[Tuned, ...] = ()
    churns: tuple[int, int] | None = None


class TrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `train` did.

    Attributes:
        recommender: The new challenger among recommenders.
        churn: The new challenger among churn models; None when there is too little history.
        churn_skipped: Why there is no churn model; None when there is one.
        lake_version: Version of the events table that both were made from.
        as_of: End of the history that was read.
        cutoff: Where the held-out time began.
        customers: Customers with held-out purchases, on whom recommenders were judged.
    """

    recommender: Trained
    churn: Trained | None
    churn_skipped: str | None
    lake_version: int
    as_of: datetime
    cutoff: datetime
    customers: int


class Promotion(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the champion.

    Attributes:
        version: The champion now, like `recommender/12`.
        former: The champion before; None when there was none.
        reason: Why, in one sentence.
    """

    version: str
    former: str | None
    reason: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate had found of a version when it became champion.

    Attributes:
        against: What it was compared with.
        metric: What was compared.
        difference: The version minus the other.
        low: Lower end of the difference's paired 95 % bootstrap interval; like the others None
            where it was not measured.
        high: Upper end.
        passed: How many checks it passed.
        failed: Names of those that it failed; only by force is it champion then.
    """

    against: str
    metric: str
    difference: float | None
    low: float | None
    high: float | None
    passed: int
    failed: tuple[str, ...]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the champion, kept with the version that became it.

    Attributes:
        did: What.
        at: When, aware.
        by: The operating system's name of who did it.
        command: What did it: `homing retrain` by itself, `homing promote` or `homing rollback`
            for a person.
        reason: Why.
        former: Number of the champion before; None when there was none.
        forced: Whether the gate had refused it.
        evidence: What the gate had found; None for a version that was never judged.
    """

    did: Literal["promote", "rollback"]
    at: datetime
    by: str
    command: str = ""
    reason: str
    former: str | None
    forced: bool = False
    evidence: Evidence | None = None


class Promotions(msgspec.Struct, frozen=True, kw_only=True):
    """Every change of a registered model's champion.

    Attributes:
        model: The registered model.
        champion: The version that serves, like `recommender/12`; None without one.
        changes: The newest first: the version that became champion, and how.
    """

    model: str
    champion: str | None
    changes: tuple[tuple[str, Change], ...]


class PublishReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `publish` wrote.

    Attributes:
        customers: Profiles whose published half was written.
        slates: Stored slates in all.
        scored: Customers who got a churn score.
        segments: Segment → customers.
        shelves: Shelf → items.
        models: Registered model → version.
        resumed: Whether an interrupted publish was finished.
        seconds: How long it took.
        unread: Why a churn champion that there is scored nobody; None when it did.
    """

    customers: int
    slates: int
    scored: int
    segments: dict[str, int]
    shelves: dict[str, int]
    models: dict[str, str]
    resumed: bool
    seconds: float
    unread: str | None = None


class RetrainReport(msgspec.Struct, frozen=True, kw_only=True):
    """What `retrain` did.

    Attributes:
        trained: Models made and judged.
        promoted: Those that became champion.
        refused: Version → why the gate refused it.
        published: What was written into profiles; None when there is no champion to publish with.
    """

    trained: TrainReport
    promoted: tuple[Promotion, ...]
    refused: dict[str, str]
    published: PublishReport | None
