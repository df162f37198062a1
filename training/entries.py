"""What training found, in the form that the registry keeps and that people read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

from features.lake import EVENTS, Lake
from serving.model.bundle import Bundle
from training.churn.cores import BLEND
from training.churn.files import save_model
from training.churn.metrics import LOWER_IS_BETTER
from training.churn.train import ChurnJudged
from training.evaluate import Evaluation
from training.metrics import Interval
from training.plots import metric_bars, reliability
from training.recommend import Judged, figure_name, means, with_metrics
from training.register import BUNDLE, CHURN, JUDGED, RECOMMENDER, DataVersion, Entry
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
) -> Entry:
    """What is registered of a recommender; writes both twins into the work folder.

    Args:
        judged: What held-out time said.
        made: The chosen recipe, fitted on all history; and where that recipe comes from.
        verdict: Of the gate.
        source: The lake and the time that were looked at.
        work: An empty folder.
    """
    final, origin = made
    scores = means(judged.answers[judged.chosen])
    with_metrics(final, scores).save(work / BUNDLE)
    judged.bundles[judged.chosen].save(work / JUDGED)
    manifest = final.manifest
    weighting = {f"weighting.{kind}": weight for kind, weight in manifest.weighting.types.items()}
    return Entry(
        model=RECOMMENDER,
        algorithm=judged.chosen,
        folders={BUNDLE: work / BUNDLE, JUDGED: work / JUDGED},
        params={
            **manifest.params,
            **weighting,
            "weighting.half_life_days": manifest.weighting.half_life_days,
            "holdout_days": source[1].holdout.days,
        },
        metrics=scores,
        data=_data(source, manifest.data.checksum),
        verdict=verdict,
        at=manifest.created_at,
        inputs={"history": "texts", "n": "count"},
        candidates={name: means(answers) for name, answers in judged.answers.items()},
        plots={"metrics.png": metric_bars(recommender_figures(judged.answers), SHOWN)},
        tags={"chosen_on": judged.chosen_on, "recipe": origin},
    )


def churn_entry(judged: ChurnJudged, source: tuple[Lake, Span], work: Path, at: datetime) -> Entry:
    """What is registered of a churn model; writes both twins into the work folder."""
    save_model(judged.final, work / BUNDLE)
    save_model(judged.judged, work / JUDGED)
    manifest = judged.final.manifest
    return Entry(
        model=CHURN,
        algorithm=BLEND,
        folders={BUNDLE: work / BUNDLE, JUDGED: work / JUDGED},
        params={
            **manifest.params,
            "horizon_days": manifest.horizon_days,
            "active_days": manifest.active_days,
            "calibration": manifest.calibration.kind,
            "base_rate": manifest.base_rate,
            "band_low": manifest.thresholds.low,
            "band_high": manifest.thresholds.high,
        },
        metrics=_means(judged.figures[BLEND].items()),
        data=_data(source, manifest.data.checksum),
        verdict=judged.verdict,
        at=at,
        inputs=dict.fromkeys(manifest.features, "number"),
        candidates={name: _means(of.items()) for name, of in judged.figures.items()},
        plots={
            "metrics.png": metric_bars(churn_figures(judged), SHOWN_CHURN),
            "reliability.png": reliability(judged.outcome),
        },
    )


def _means(intervals: Iterable[tuple[str, Interval]]) -> dict[str, float]:
    return {name: interval.mean for name, interval in intervals}


def _data(source: tuple[Lake, Span], checksum: str) -> DataVersion:
    lake, span = source
    return DataVersion(
        path=lake.path(EVENTS),
        version=span.lake_version,
        as_of=span.end,
        cutoff=span.cutoff,
        checksum=checksum,
    )
