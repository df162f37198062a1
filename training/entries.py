"""What training found, in the form that the registry keeps and that people read."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from features.lake import EVENTS, Lake
from serving.model.bundle import Bundle
from serving.model.manifest import Manifest
from training.churn.cores import BLEND
from training.churn.files import save_model
from training.churn.metrics import LOWER_IS_BETTER, decile_lifts
from training.churn.model import ChurnManifest
from training.churn.train import ChurnJudged
from training.costs import costs_of
from training.evaluate import Evaluation
from training.metrics import Interval
from training.plots import driver_bars, lift_bars, metric_bars, reliability
from training.recommend import CHAMPION, Judged, figure_name, means, with_metrics
from training.register import BUNDLE, CHURN, JUDGED, RECOMMENDER, Candidate, DataVersion, Entry
from training.reports import Figure, Verdict
from training.span import Span

SHOWN: Final = (
    "explore/ndcg_20",
    "explore/recall_20",
    "explore/hit_rate_20",
    "repeat/ndcg_20",
    "repeat/recall_20",
)
"""Metrics of recommenders that their plot shows."""
SHOWN_CHURN: Final = ("auc", "pr_auc", "log_loss", "brier", "ece")


def recommender_figures(answers: Mapping[str, Mapping[str, Evaluation]]) -> tuple[Figure, ...]:
    """Every metric of every bundle that was judged."""
    return tuple(
        figure(model, figure_name(question, metric), interval)
        for model, of_model in answers.items()
        for question, evaluation in of_model.items()
        for metric, interval in evaluation.summary.items()
    )


def churn_figures(judged: ChurnJudged) -> tuple[Figure, ...]:
    """Every metric of every churn model that was judged."""
    return tuple(
        figure(model, metric, interval)
        for model, of_model in judged.figures.items()
        for metric, interval in of_model.items()
    )


def figure(model: str, metric: str, interval: Interval) -> Figure:
    """One metric of one model."""
    return Figure(
        model=model,
        metric=metric,
        value=interval.mean,
        low=interval.low,
        high=interval.high,
        higher_is_better=metric not in LOWER_IS_BETTER,
    )


def recommender_entry(
    judged: Judged,
    made: tuple[Bundle, str],
    verdict: Verdict,
    source: tuple[Lake, Span],
    work: Path,
    *,
    fit_seconds: float,
) -> Entry:
    """What is registered of a recommender; writes both twins into the work folder.

    Args:
        judged: What held-out time said.
        made: The chosen recipe, fitted on all history; and where that recipe comes from.
        verdict: Of the gate.
        source: The lake and the time that were looked at.
        work: An empty folder.
        fit_seconds: That fitting on all history took.
    """
    final, origin = made
    scores = means(judged.answers[judged.chosen])
    manifest = with_metrics(final, scores).save(work / BUNDLE)
    judged.bundles[judged.chosen].save(work / JUDGED)
    return Entry(
        model=RECOMMENDER,
        algorithm=judged.chosen,
        folders={BUNDLE: work / BUNDLE, JUDGED: work / JUDGED},
        params={**_params(manifest), "holdout_days": source[1].holdout.days},
        metrics=_intervals(judged.answers[judged.chosen]),
        data=_data(source, manifest.data.checksum),
        verdict=verdict,
        at=manifest.created_at,
        inputs={"history": "texts", "n": "count"},
        candidates={
            name: Candidate(_intervals(answers), _params(_twin(judged, name).manifest))
            for name, answers in judged.answers.items()
        },
        costs=costs_of(manifest.arrays, manifest.data.interactions, fit_seconds),
        plots={"metrics.png": metric_bars(recommender_figures(judged.answers), SHOWN)},
        tags={"chosen_on": judged.chosen_on, "recipe": origin},
    )


def churn_entry(judged: ChurnJudged, source: tuple[Lake, Span], work: Path, at: datetime) -> Entry:
    """What is registered of a churn model; writes both twins into the work folder."""
    manifest = save_model(judged.final, work / BUNDLE)
    save_model(judged.judged, work / JUDGED)
    lifts = decile_lifts(judged.outcome, BLEND)
    deciles = {f"lift_decile_{place}": one for place, one in enumerate(lifts, start=1)}
    return Entry(
        model=CHURN,
        algorithm=BLEND,
        folders={BUNDLE: work / BUNDLE, JUDGED: work / JUDGED},
        params=_churn_params(manifest),
        metrics={**judged.figures[BLEND], **deciles},
        data=_data(source, manifest.data.checksum),
        verdict=judged.verdict,
        at=at,
        inputs=dict.fromkeys(manifest.features, "number"),
        candidates={
            name: Candidate(found, _churn_params(judged.models[name].manifest))
            for name, found in judged.figures.items()
        },
        costs=costs_of(manifest.arrays, manifest.data.rows, judged.fit_seconds),
        plots={
            "metrics.png": metric_bars(churn_figures(judged), SHOWN_CHURN),
            "reliability.png": reliability(judged.outcome),
            "lift.png": lift_bars(lifts),
            "drivers.png": driver_bars(judged.drivers),
        },
    )


def _params(manifest: Manifest) -> dict[str, Any]:
    """What a recommender was made by: of its fit, and what events count."""
    weighting = manifest.weighting
    return {
        **manifest.params,
        **{f"weighting.{kind}": weight for kind, weight in weighting.types.items()},
        "weighting.half_life_days": weighting.half_life_days,
    }


def _churn_params(manifest: ChurnManifest) -> dict[str, Any]:
    """What a churn model was made by, and what it says."""
    return {
        **manifest.params,
        "horizon_days": manifest.horizon_days,
        "active_days": manifest.active_days,
        "calibration": manifest.calibration.kind,
        "base_rate": manifest.base_rate,
        "band_low": manifest.thresholds.low,
        "band_high": manifest.thresholds.high,
    }


def _twin(judged: Judged, name: str) -> Bundle:
    """The bundle that was judged under a name; the champion's has its own."""
    return judged.champion if judged.champion and name == CHAMPION else judged.bundles[name]


def _intervals(answers: Mapping[str, Evaluation]) -> dict[str, Interval]:
    """Every metric of all questions, by its full name."""
    return {
        figure_name(question, metric): interval
        for question, evaluation in answers.items()
        for metric, interval in evaluation.summary.items()
    }


def _data(source: tuple[Lake, Span], checksum: str) -> DataVersion:
    lake, span = source
    return DataVersion(
        path=lake.path(EVENTS),
        version=span.lake_version,
        as_of=span.end,
        cutoff=span.cutoff,
        checksum=checksum,
    )
