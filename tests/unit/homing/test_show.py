from __future__ import annotations

import io
from datetime import UTC, datetime

import msgspec
from rich.console import Console
from rich.table import Table

from homing import show
from tests.unit.training.compare.samples import comparison
from training.compare.report import Comparison
from training.reports import (
    Figure,
    Promotion,
    PublishReport,
    RetrainReport,
    Trained,
    TrainReport,
    Tuned,
    Verdict,
)

VERDICT = Verdict(
    passed=True,
    against="popularity",
    metric="ndcg_10",
    difference=0.02,
    low=0.01,
    high=0.03,
    reason="better than popularity",
)


def figure(model: str, metric: str, value: float) -> Figure:
    return Figure(model=model, metric=metric, value=value, low=value - 0.01, high=value + 0.01)


RECOMMENDER = Trained(
    version="recommender/3",
    algorithm="als",
    run="r",
    figures=(figure("als", "ndcg_10", 0.2), figure("popularity", "ndcg_10", 0.1)),
    verdict=VERDICT,
    seconds=2.5,
)
REPORT = TrainReport(
    recommender=RECOMMENDER,
    churn=None,
    churn_skipped="one class only",
    lake_version=7,
    as_of=datetime(2026, 5, 31, 20, tzinfo=UTC),
    cutoff=datetime(2026, 4, 5, 20, tzinfo=UTC),
    customers=2_000,
)


def drawn(table: Table) -> str:
    out = io.StringIO()
    Console(file=out, width=160).print(table)
    return out.getvalue()


def test_a_table_of_figures_has_a_column_a_model_and_its_intervals() -> None:
    text = drawn(show.figures_table("Recommenders", RECOMMENDER.figures))

    (row,) = [line for line in text.splitlines() if "ndcg_10" in line]
    assert row.index("0.2000 [0.1900, 0.2100]") < row.index("0.1000 [0.0900, 0.1100]")
    assert text.index("als") < text.index("popularity")


def test_metrics_of_shorter_slates_can_be_left_out() -> None:
    figures = [figure("als", name, 0.3) for name in ("ndcg_4", "ndcg_20", "auc")]

    assert [left.metric for left in show.at_longest(figures)] == ["ndcg_20", "auc"]


def test_a_model_without_a_metric_has_an_empty_cell() -> None:
    figures = [*RECOMMENDER.figures, figure("als", "recall_10", 0.3)]

    assert "0.3000" in drawn(show.figures_table("Recommenders", figures))


def test_training_is_told_with_the_gates_verdict_and_why_there_is_no_churn_model() -> None:
    assert show.train_lines(REPORT) == [
        (
            "events up to 2026-05-31 20:00, lake version 7; "
            "judged on 2,000 customers from 2026-04-05 on"
        ),
        "recommender/3 (als) in 2.5 s",
        "gate passed: better than popularity",
        "no churn model: one class only",
    ]


def test_training_tells_what_churn_means() -> None:
    churn = msgspec.structs.replace(RECOMMENDER, version="churn/2", churns=(21, 56))
    assert show.trained_lines(churn)[1] == (
        "churn is no purchase within 21 days, of who bought in the 56 before"
    )


def test_training_tells_what_tuning_found() -> None:
    tuned = Tuned(
        algorithm="als", trials=1_057, pruned=31, seconds=60.25, best=0.0502, default=0.0431
    )
    (first, *_) = show.trained_lines(msgspec.structs.replace(RECOMMENDER, tuned=(tuned,)))
    assert first == (
        "tuned als: ndcg_10 0.0431 → 0.0502 on validation time, 1,057 trials (31 pruned) in 60.2 s"
    )


def test_retraining_is_told_with_what_was_promoted_refused_and_published() -> None:
    published = PublishReport(
        customers=10,
        slates=30,
        scored=8,
        segments={},
        shelves={},
        models={},
        resumed=False,
        seconds=1.0,
    )
    report = RetrainReport(
        trained=REPORT,
        promoted=(Promotion(version="recommender/3", former=None, reason="better"),),
        refused={"churn/2": "no better"},
        published=published,
    )

    assert show.retrain_lines(report)[-3:] == [
        "champion: recommender/3 (before: none)",
        "not promoted: churn/2",
        "published 30 slates and 8 churn scores for 10 customers in 1.0 s",
    ]
    mute = msgspec.structs.replace(published, scored=0, unread="churn/2: of format 0")
    untold = msgspec.structs.replace(report, published=mute)
    assert show.retrain_lines(untold)[-1] == "no churn scores: churn/2: of format 0"


def test_a_comparison_tells_the_verdict_and_what_stands_behind_it() -> None:
    found = msgspec.structs.replace(comparison(), page="page.html", logged="kept.html")
    lines = show.comparison_lines(found)
    texts = [line for line in lines if isinstance(line, str)]
    metrics, slices = (drawn(line) for line in lines if isinstance(line, Table))

    assert texts[:2] == ["recommender/12 is better.", "<note>"]
    assert "0.0500 [0.0400, 0.0600]" in metrics
    assert "better" in metrics
    assert "recall_4" not in metrics
    assert "new (40)" in slices
    assert "worse" in slices
    assert texts[2:] == [
        "slates of 2 have 42% in common [40%, 44%], over 100 customers",
        "shown to more: <script>alert(1)</script> (12% → 50%)",
        "data that moved: recency_days (drifted, 0.31)",
        "<b>fact</b>: <i>one</i> → two",
        "page: page.html",
        "kept in MLflow as kept.html",
    ]


def test_a_comparison_of_what_was_logged_is_short() -> None:
    bare = Comparison(
        a="churn/1", b="churn/2", model="churn", mark="unknown", verdict="?", note="as logged"
    )
    assert [line for line in show.comparison_lines(bare) if isinstance(line, str)] == [
        "?",
        "as logged",
    ]
