"""The page that every training leaves with its run: the challenger against what it had to beat.

All of it was judged a moment ago, so this looks at slates and data only.
"""

from __future__ import annotations

from features.lake import Lake
from training.churn.cores import BLEND, RFM_LOGISTIC
from training.churn.gate import CHAMPION as CHURN_CHAMPION
from training.churn.metrics import Outcome
from training.churn.train import ChurnJudged
from training.compare.churn import compare_churn
from training.compare.data import DataPair
from training.compare.logged import log_page
from training.compare.recommenders import compare_recommenders
from training.compare.report import Comparison
from training.compare.sides import Side, baseline, side_of
from training.compare.versions import told
from training.recommend import CHAMPION, POPULARITY, History, Judged
from training.register import CHURN, RECOMMENDER
from training.span import Span
from training.tracking import Tracking

Numbers = tuple[str | None, str]
"""Of the champion, None while there is none; and of the challenger."""


def log_recommender(
    tracking: Tracking, lake: Lake, history: History, judged: Judged, numbers: Numbers
) -> Comparison:
    """Compare a recommender that was just registered, and keep the page with its run.

    Args:
        tracking: Where it is registered.
        lake: What it was made of.
        history: The same, opened.
        judged: What held-out time said; without a champion the other side is popularity.
        numbers: Of both versions.

    Raises:
        RegistryUnavailable: MLflow does not answer.
    """
    rival, bundle = CHAMPION, judged.champion
    if bundle is None:
        rival, bundle = POPULARITY, judged.bundles[POPULARITY]
    data = DataPair(lake, *_sides(tracking, RECOMMENDER, numbers, rival))
    found = compare_recommenders(
        (data.a.name, data.b.name),
        (bundle, judged.bundles[judged.chosen]),
        (judged.answers[rival], judged.answers[judged.chosen]),
        judged.held_out,
        history.catalogue,
    )
    days = judged.held_out.at, judged.held_out.until
    return log_page(tracking, (RECOMMENDER, numbers[1]), told(RECOMMENDER, data, found, days))


def log_churn(
    tracking: Tracking, lake: Lake, span: Span, judged: ChurnJudged, numbers: Numbers
) -> Comparison:
    """Compare a churn model that was just registered, and keep the page with its run.

    Args:
        tracking: Where it is registered.
        lake: What it was made of.
        span: The time that it was made of.
        judged: What held-out time said; without a champion the other side is the baseline.
        numbers: Of both versions.

    Raises:
        RegistryUnavailable: MLflow does not answer.
    """
    rival = CHURN_CHAMPION if CHURN_CHAMPION in judged.models else RFM_LOGISTIC
    data = DataPair(lake, *_sides(tracking, CHURN, numbers, rival))
    said = judged.outcome.said
    outcome = Outcome(
        judged.outcome.customers, judged.outcome.happened, {"a": said[rival], "b": said[BLEND]}
    )
    drift = data.scores([judged.models[rival], judged.judged])
    found = compare_churn((data.a.name, data.b.name), outcome, judged.snapshots, drift)
    days = judged.snapshots[0].at, span.end
    return log_page(tracking, (CHURN, numbers[1]), told(CHURN, data, found, days))


def _sides(tracking: Tracking, model: str, numbers: Numbers, rival: str) -> tuple[Side, Side]:
    champion, challenger = numbers
    b = side_of(tracking, (model, challenger))
    return baseline(rival, b) if champion is None else side_of(tracking, (model, champion)), b
