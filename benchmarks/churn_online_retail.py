"""Online Retail II: who of a gift shop's customers buys nothing within the shop's own horizon.

UCI Online Retail II (Chen, Sain & Guo, 2012; CC BY 4.0), uncleaned, through the import and the
training that a shop runs: what is judged was fitted before the last eight weeks of history. Peers
are BG/NBD and a logistic regression on recency, frequency and money, calibrated the same way.

The bars are held against the active customers, of whom alone the product speaks. Many papers
judge all who ever bought, among whom those long gone are easily told; the same training on all of
them is shown beside, and what could be told at the best ("crossed").
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.churn_crossed import crossed
from benchmarks.figures import Figure, at_least, at_most, plain
from features.clock import SystemClock
from features.identity import CustomerKeys
from features.importing import Destination, import_file
from features.lake import Lake
from homing.mappings import packaged
from training.churn.cores import BLEND, RFM_LOGISTIC
from training.churn.horizon import horizon_of
from training.churn.lessons import Source
from training.churn.metrics import (
    AUC,
    ECE,
    INTERCEPT,
    LIFT,
    LOG_LOSS,
    SLOPE,
    auc,
    difference,
    of_all,
)
from training.churn.snapshots import Horizon
from training.churn.train import ChurnJudged, train_churn
from training.settings import TrainingSettings
from training.span import Span, span_of

MAPPING: Final = "online-retail-2"
KEYS: Final = CustomerKeys(b"no secret: the data is public, and the lake is gone at the end")
AT: Final = datetime(2011, 6, 1, tzinfo=UTC)
AUC_BAR, ECE_BAR = 0.80, 0.02


def measure(data: Path) -> list[Figure]:
    """Import, train and judge, with the settings that are the default.

    Args:
        data: Holds `online-retail-2/online_retail.parquet`.
    """
    settings, clock = TrainingSettings(), SystemClock()
    with TemporaryDirectory(prefix="homing-retail-") as folder:
        lake = Lake(folder)
        file = data / MAPPING / "online_retail.parquet"
        import_file(file, packaged(MAPPING), Destination(lake), KEYS, clock)
        span = span_of(lake, settings.holdout, clock, settings.gap)
        wanted = settings.churn_horizon_days, settings.churn_active_days
        horizon = horizon_of(lake, span, wanted, None)
        judged, everybody = (
            train_churn(lake, span, one, None, AT, lambda _done, _total: None)
            for one in (horizon, Horizon(horizon.ahead, span.end - span.first))
        )
        best = [_crossed(one, span) for one in (judged, everybody)]
    return [
        plain("retail: horizon", horizon.ahead / timedelta(days=1), "days"),
        plain("retail: active", horizon.active / timedelta(days=1), "days"),
        plain("retail: customers", len(judged.outcome.happened), "customers"),
        plain("retail: churned", float(judged.outcome.happened.mean()), "share"),
        *_figures(judged),
        plain("retail: AUC, crossed", best[0], "share"),
        plain(
            "retail, all who ever bought: customers",
            len(everybody.snapshots[0].churned),
            "customers",
        ),
        *_of_models("retail, all who ever bought", everybody),
        plain("retail, all who ever bought: AUC, crossed", best[1], "share"),
    ]


def _figures(judged: ChurnJudged) -> list[Figure]:
    ours = judged.figures[BLEND]
    gap = difference(judged.outcome, BLEND, RFM_LOGISTIC, LOG_LOSS)
    figures = [
        at_least("retail: AUC", ours[AUC].mean, "share", AUC_BAR),
        plain("retail: AUC, low", ours[AUC].low, "share"),
        plain("retail: AUC, high", ours[AUC].high, "share"),
        at_most("retail: calibration error", ours[ECE].mean, "share", ECE_BAR),
        plain("retail: log-loss less than rfm_logistic's", -gap.mean, "nats"),
        plain("retail: log-loss less than rfm_logistic's, low", -gap.high, "nats"),
    ]
    return figures + _of_models("retail", judged)


def _of_models(what: str, judged: ChurnJudged) -> list[Figure]:
    return [
        plain(f"{what}: {metric}, {model}", found[metric].mean, metric)
        for model, found in judged.figures.items()
        for metric in (AUC, LOG_LOSS, ECE, SLOPE, INTERCEPT, LIFT)
    ]


def _crossed(judged: ChurnJudged, span: Span) -> float:
    """The AUC of models that learnt from what came of the others in the same weeks."""
    asked, says = judged.snapshots[0], judged.final.manifest
    days = (timedelta(days=count) for count in (says.horizon_days, says.active_days))
    said = crossed(asked, Source(Horizon(*days), span.end, span.lake_version))
    return of_all(auc, asked.churned, said)
