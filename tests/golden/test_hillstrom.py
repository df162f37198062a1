"""Hillstrom's e-mail test (MineThatData, 2008): a random half of 64,000 customers in three arms.

In all of them the men's mail adds 7.66 points of visits and the women's 4.52; the half is a sample.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from features.errors import InvalidArgument
from training.uplift.campaign import Campaign
from training.uplift.reading import read_campaign
from training.uplift.report import UpliftReport, analyse

REPO = Path(__file__).parents[2]
DATA = Path(os.environ.get("HOMING_DATA", REPO / ".." / "shared" / "data"))
FILE = DATA / "hillstrom" / "hillstrom_half.parquet"
MENS, WOMENS, NOBODY = "Mens E-Mail", "Womens E-Mail", "No E-Mail"
PART = 8_000
"""Customers that learners are fitted on: enough for the effects, and quick."""

pytestmark = pytest.mark.skipif(
    not FILE.exists(), reason=f"no {FILE}: set HOMING_DATA to the folder with hillstrom in it"
)


@pytest.fixture(scope="module")
def campaign() -> Campaign:
    return read_campaign(FILE, arm="segment", outcome="visit", ignore=["conversion", "spend"])


@pytest.fixture(scope="module")
def report(campaign: Campaign) -> UpliftReport:
    part = np.random.default_rng(1).permutation(len(campaign.arm))[:PART]
    return analyse(campaign.rows(part), lambda *_: None)


def test_the_mails_add_what_was_published(campaign: Campaign) -> None:
    assert list(campaign.arms) == [NOBODY, MENS, WOMENS]
    means = np.bincount(campaign.arm, campaign.outcome) / np.bincount(campaign.arm)
    error = np.sqrt(2 * 0.15 * 0.85 / (len(campaign.arm) / 3))
    assert means[1] - means[0] == pytest.approx(0.0766, abs=2 * error)
    assert means[2] - means[0] == pytest.approx(0.0452, abs=2 * error)


def test_what_the_mail_did_is_no_feature() -> None:
    with pytest.raises(InvalidArgument, match="'conversion': differs between the arms"):
        read_campaign(FILE, arm="segment", outcome="visit", ignore=["spend"])


def test_the_mens_mail_for_all_is_the_best_single_arm_and_not_surely_beaten(
    report: UpliftReport,
) -> None:
    assert (report.best, report.beaten) == (MENS, False)
    assert report.says.startswith(
        f"Send everybody {MENS}: choosing for each customer is not surely"
    )
    chosen, nobody, mens, womens = report.values
    assert nobody.gain_robust.low > 0.04
    assert mens.gain_robust.low < 0 < mens.gain_robust.high < 0.02
    assert womens.gain_robust.mean > 0.01
    assert 0.16 < chosen.robust.low < chosen.robust.high < 0.21


def test_the_women_of_womens_goods_are_told_apart(report: UpliftReport) -> None:
    mens, womens = report.qini
    assert mens.effect.mean > womens.effect.mean > 0.03
    # Who bought men's goods is told from who did not, and that is all that there is to tell.
    assert womens.coefficient.mean > 0
    assert any(group.arm == MENS and "mens is 1" in group.who for group in report.groups)
