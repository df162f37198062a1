"""CDNOW: who of 2,357 customers buys again in weeks 40 to 78, told at the end of week 39.

The sample is that of Fader & Hardie; the peer is BG/NBD (Fader, Hardie & Lee, 2005), which was
published on it. Nothing after week 39 is learnt from: the 39 weeks are cut in half, the first half
is stretched to the length of the whole, and what came in the second half is what a model learns
to tell. A customer's life so stretched looks like a customer's life at week 39, and the horizon is
as long as the one that is asked for.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.churn_crossed import crossed, folds
from benchmarks.figures import Figure, at_least, plain
from features.event import Event, EventType
from features.lake import Lake
from features.tables import event_table
from training.churn.bgnbd import BgNbd, fit_bgnbd
from training.churn.fit import BoostingParams, fit_blend
from training.churn.lessons import Source
from training.churn.metrics import AUC, LOG_LOSS, SLOPE, Outcome, judge
from training.churn.model import ChurnModel
from training.churn.odds import log_odds, sigmoid
from training.churn.rhythm import buyers_of
from training.churn.snapshots import Horizon, Snapshot, load_snapshots

BEGIN: Final = datetime(1997, 1, 1, tzinfo=UTC)
DAYS: Final = 273
"""39 weeks: what is known, and what is asked."""
AT: Final = BEGIN + timedelta(days=DAYS)
HORIZON: Final = Horizon(timedelta(days=DAYS), timedelta(days=DAYS))
SOURCE: Final = Source(HORIZON, AT, 0)
BELOW: Final = 0.05
"""How far below BG/NBD's log-loss ours must lie."""
SLOPES: Final = (0.95, 1.05)
OURS, PEER, CROSSED = "ours", "bg_nbd", "ours, crossed"


def measure(data: Path) -> list[Figure]:
    """Fit on 39 weeks, ask for the next 39.

    Args:
        data: Holds `cdnow/CDNOW_sample.txt`.
    """
    table = np.loadtxt(data / "cdnow" / "CDNOW_sample.txt", usecols=(1, 2, 3, 4))
    known = table[_days(table) < DAYS]
    half, asked = _snapshot(known, 2), _snapshot(table, 1)
    peer = fit_bgnbd(asked.buyers)
    said = {
        PEER: peer.p_silent(buyers_of(asked.features), DAYS),
        OURS: _bagged(half, asked, peer),
        CROSSED: crossed(asked, SOURCE),
    }
    found = judge(Outcome(np.arange(len(asked.churned)), asked.churned, said))
    losses = {name: found[name][LOG_LOSS].mean for name in said}
    slope = found[OURS][SLOPE].mean
    return [
        *(plain(f"cdnow: log-loss, {name}", loss, "nats") for name, loss in losses.items()),
        *(plain(f"cdnow: AUC, {name}", found[name][AUC].mean, "share") for name in said),
        at_least("cdnow: log-loss below bg_nbd's", 1 - losses[OURS] / losses[PEER], "share", BELOW),
        plain(
            "cdnow: log-loss below bg_nbd's, crossed", 1 - losses[CROSSED] / losses[PEER], "share"
        ),
        Figure(
            "cdnow: calibration slope",
            round(slope, 4),
            "ratio",
            f"{SLOPES[0]} to {SLOPES[1]}",
            SLOPES[0] <= slope <= SLOPES[1],
        ),
        plain("cdnow: calibration slope, low", found[OURS][SLOPE].low, "ratio"),
        plain("cdnow: calibration slope, high", found[OURS][SLOPE].high, "ratio"),
        plain("cdnow: calibration slope, bg_nbd", found[PEER][SLOPE].mean, "ratio"),
        plain("cdnow: calibration slope, crossed", found[CROSSED][SLOPE].mean, "ratio"),
    ]


def _bagged(half: Snapshot, asked: Snapshot, bgnbd: BgNbd) -> NDArray[np.float64]:
    """Mean log-odds of one model a fold of customers, on which it chose its calibration.

    Args:
        half: What is learnt from.
        asked: Of whom is asked, at week 39.
        bgnbd: As of week 39: what the stretched half says of rates is of another season.
    """
    odds = []
    for calibrated, learnt in folds(half):
        model = fit_blend([calibrated, learnt], BoostingParams(), SOURCE, AT)
        manifest = msgspec.structs.replace(model.manifest, bgnbd=bgnbd)
        odds.append(log_odds(ChurnModel(manifest, model.core).probability(asked.features)))
    return sigmoid(np.mean(odds, axis=0))


def _snapshot(table: NDArray[np.float64], stretch: int) -> Snapshot:
    """Customers 273 days after the beginning, in time that passes so many times as fast."""
    events = [
        Event(
            id=str(row),
            type=EventType.PURCHASE,
            customer=f"ck_{int(customer):032x}",
            # At the end of the day, so that ages are those of the paper.
            occurred_at=BEGIN + timedelta(days=(day + 1) * stretch, seconds=-1),
            item="cd",
            quantity=max(int(count), 1),
            value=dollars,
        )
        for row, ((customer, _, count, dollars), day) in enumerate(
            zip(table.tolist(), _days(table).tolist(), strict=True)
        )
    ]
    with TemporaryDirectory(prefix="homing-cdnow-") as folder:
        lake = Lake(folder)
        lake.merge_events(event_table(events))
        unwatched = lambda _done, _total: None  # noqa: E731
        return load_snapshots(lake, [AT], HORIZON, lake.version(), unwatched)[AT]


def _days(table: NDArray[np.float64]) -> NDArray[np.int64]:
    """Days since the beginning."""
    text = np.char.mod("%d", table[:, 1].astype(np.int64))
    days = [np.datetime64(f"{day[:4]}-{day[4:6]}-{day[6:]}") for day in text]
    return (np.array(days) - np.datetime64(BEGIN.date())).astype(np.int64)
