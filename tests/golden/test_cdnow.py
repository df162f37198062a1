"""Published parameters of BG/NBD on the CDNOW sample, 39 weeks of calibration.

The sample is that of Fader & Hardie; the figures are those of Fader, Hardie & Lee (2005). Times
are in weeks here, as in the paper: alpha is a number of weeks.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from training.churn.bgnbd import Buyers, fit_bgnbd

REPO = Path(__file__).parents[2]
DATA = Path(os.environ.get("HOMING_DATA", REPO / ".." / "shared" / "data"))
FILE = DATA / "cdnow" / "CDNOW_sample.txt"
WEEKS = 39

pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason=f"no {FILE}: set HOMING_DATA to the folder with cdnow in it"
)


def calibration() -> Buyers:
    """Everybody as of the last day of the 39 weeks."""
    table = np.loadtxt(FILE, dtype=np.int64, usecols=(1, 2))
    text = np.char.mod("%d", table[:, 1])
    days = np.array([f"{day[:4]}-{day[4:6]}-{day[6:]}" for day in text], dtype="datetime64[D]")
    numbers = (days - np.datetime64("1997-01-01")).astype(np.int64)
    last_day = 7 * WEEKS - 1
    pairs = np.unique(np.stack([table[:, 0], numbers], axis=1)[numbers <= last_day], axis=0)
    _, starts, counts = np.unique(pairs[:, 0], return_index=True, return_counts=True)
    first, last = pairs[starts, 1], pairs[starts + counts - 1, 1]
    weeks = [np.asarray(one / 7, dtype=np.float64) for one in (last - first, last_day - first)]
    return Buyers(counts.astype(np.float64) - 1, *weeks)


def test_bg_nbd_finds_what_was_published() -> None:
    buyers = calibration()
    found = fit_bgnbd(buyers)
    assert len(buyers.age) == 2_357
    assert round(found.r, 3) == 0.243
    assert round(found.alpha, 3) == 4.414
    assert round(found.a, 3) == 0.793
    assert round(found.b, 3) == 2.426
    assert round(found.log_likelihood(buyers), 1) == -9582.4
