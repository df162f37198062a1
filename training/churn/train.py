"""Makes a churn model: fits it before the held-out time, judges it there, and fits it once more.

Snapshots whose labels end by the cutoff are fitted on; those from the cutoff on, whose labels end
within held-out time, are judged on; what will serve is fitted on both. So no label that judges was
ever learnt from by what is judged, and no feature saw the time of its label.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Final

import msgspec
import numpy as np

from features.errors import NotEnoughData
from features.lake import Lake
from features.progress import Advance
from training.churn.cores import BG_NBD, BLEND, RFM_LOGISTIC
from training.churn.fit import (
    BoostingParams,
    fit_blend,
    fit_logistic,
    fit_silence,
)
from training.churn.gate import CHAMPION, Trial, decide
from training.churn.lessons import Source, check_counts
from training.churn.metrics import Outcome, judge
from training.churn.model import ChurnModel
from training.churn.snapshots import Horizon, Snapshot, joined, load_snapshots, snapshot_times
from training.metrics import Interval
from training.reports import Verdict
from training.span import Span

SNAPSHOTS: Final = 10
"""The most that one fit looks at: older customers behaved in another shop."""
EXPLAINED: Final = 2_000
"""Held-out customers whose drivers are averaged."""


@dataclass(frozen=True, eq=False)
class ChurnJudged:
    """A churn model and what held-out time said of it.

    Attributes:
        final: Fitted on all labels; what would serve.
        judged: Its twin, fitted before the cutoff.
        models: All that were judged, by name: the twin, baselines, the champion when there is one.
        snapshots: Of whom they were asked.
        outcome: What each model said of held-out customers, and what came.
        figures: Model → metric → value and interval.
        drivers: Column → mean of what it adds to the log-odds of held-out customers, either way;
            the strongest first.
        verdict: Of the gate.
        fit_seconds: That fitting the final model took.
    """

    final: ChurnModel
    judged: ChurnModel
    models: Mapping[str, ChurnModel]
    snapshots: Sequence[Snapshot]
    outcome: Outcome
    figures: Mapping[str, Mapping[str, Interval]]
    drivers: Mapping[str, float]
    verdict: Verdict
    fit_seconds: float


def train_churn(
    lake: Lake,
    span: Span,
    horizon: Horizon,
    champion: tuple[str, ChurnModel] | None,
    created_at: datetime,
    advance: Advance,
) -> ChurnJudged:
    """Fit, judge and refit.

    Args:
        lake: Holds the events.
        span: The time to look at.
        horizon: What churn means.
        champion: The version's name, and the champion's own judged twin; None without one.
        created_at: Aware, UTC.
        advance: Told of snapshots read, and of all.

    Raises:
        NotEnoughData: History is too short, or too few churned or stayed.
        LakeUnavailable: The lake can't be read.
    """
    before = snapshot_times(span.first, span.cutoff, horizon, most=SNAPSHOTS)
    rival = champion[1].manifest.data.as_of if champion is not None else span.cutoff
    tests = held_out_times(span.unseen_since(rival), horizon)
    all_times = [*reversed(held_out_times(span, horizon)), *before][:SNAPSHOTS]
    of = _loaded(lake, span, horizon, before, [*tests, *all_times], advance)
    fitted_on, tested_on = [of[at] for at in before], [of[at] for at in tests]
    source = Source(horizon, span.cutoff, span.lake_version)
    judged = fit_blend(fitted_on, BoostingParams(), source, created_at)
    models = {
        BLEND: judged,
        RFM_LOGISTIC: fit_logistic(fitted_on, source, created_at),
        BG_NBD: fit_silence(fitted_on, source, created_at),
    }
    if champion is not None:
        models[CHAMPION] = champion[1]
    outcome = outcome_of(models, tested_on)
    figures = judge(outcome)
    known = Source(horizon, span.end, span.lake_version)
    recent = [of[at] for at in all_times]
    began = perf_counter()
    final = fit_blend(recent, BoostingParams(), known, created_at)
    fit_seconds = perf_counter() - began
    means = {name: one.mean for name, one in figures[BLEND].items()}
    manifest = msgspec.structs.replace(final.manifest, metrics=means)
    trial = Trial(outcome, judged, final, fitted_on, tested_on, span.cutoff)
    return ChurnJudged(
        final=ChurnModel(manifest, final.core),
        judged=judged,
        models=models,
        snapshots=tested_on,
        outcome=outcome,
        figures=figures,
        drivers=drivers_of(judged, tested_on),
        verdict=decide(trial, champion[0] if champion else None),
        fit_seconds=fit_seconds,
    )


def _loaded(
    lake: Lake,
    span: Span,
    horizon: Horizon,
    before: Sequence[datetime],
    others: Sequence[datetime],
    advance: Advance,
) -> Mapping[datetime, Snapshot]:
    """The snapshots of all these moments; raises where those before the cutoff say too little."""

    def counted(counts: Mapping[datetime, tuple[int, int]]) -> None:
        check_counts([counts[at] for at in before])

    moments = dict.fromkeys([*before, *others])
    return load_snapshots(lake, moments, horizon, span.lake_version, advance, counted)


def drivers_of(model: ChurnModel, snapshots: Sequence[Snapshot]) -> dict[str, float]:
    """Column → mean of |what it adds to the log-odds|, the strongest first.

    Args:
        model: Explained.
        snapshots: Of later time than it was fitted on.
    """
    step = -(-sum(len(one.churned) for one in snapshots) // EXPLAINED) or 1
    added, _ = model.contributions(
        {name: column[::step] for name, column in joined(snapshots).items()}
    )
    means = dict(zip(model.manifest.columns, np.abs(added).mean(axis=0).tolist(), strict=True))
    return dict(sorted(means.items(), key=lambda one: -one[1]))


def held_out_times(span: Span, horizon: Horizon) -> list[datetime]:
    """Moments from the cutoff on whose labels end within held-out time, the earliest first.

    Raises:
        NotEnoughData: Held-out time is shorter than the horizon.
    """
    count = span.holdout // horizon.ahead
    if not count:
        message = (
            f"churn: {span.holdout.days} days are held out and churn shows after "
            f"{horizon.ahead.days}: raise HOMING_HOLDOUT_DAYS or lower HOMING_CHURN_HORIZON_DAYS"
        )
        raise NotEnoughData(message)
    return [span.cutoff + horizon.ahead * number for number in range(count)]


def outcome_of(models: Mapping[str, ChurnModel], snapshots: Sequence[Snapshot]) -> Outcome:
    """What models say of the customers of snapshots, and what came.

    Raises:
        NotEnoughData: Everybody churned, or nobody.
    """
    happened = np.concatenate([one.churned for one in snapshots])
    if not 0 < happened.sum() < len(happened):
        message = (
            f"churn: {int(happened.sum())} of {len(happened)} active customers churned in "
            "held-out time: nothing to tell apart; change HOMING_CHURN_HORIZON_DAYS"
        )
        raise NotEnoughData(message)
    keys = [customer for one in snapshots for customer in one.customers]
    numbers = {customer: number for number, customer in enumerate(dict.fromkeys(keys))}
    said = {
        name: np.concatenate([model.probability(one.features) for one in snapshots])
        for name, model in models.items()
    }
    return Outcome(np.array([numbers[key] for key in keys]), happened, said)
