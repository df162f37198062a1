from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from features.errors import InvalidArgument
from tests.unit.training.compare.samples import NASTY, Page, comparison, paired
from training.compare.page import number, page, rows, shown, write_page
from training.compare.report import Comparison
from training.compare.words import parted, says

SECTIONS = [
    *("verdict", "metrics", "slices", "overlap", "moved", "examples"),
    *("calibration", "drift", "cost", "facts"),
]


def test_the_page_is_whole_and_has_every_section() -> None:
    read = Page(page(comparison()))
    assert read.problems == []
    assert read.ids == SECTIONS


def test_the_page_needs_nothing_from_outside_and_runs_nothing() -> None:
    text = page(comparison())
    read = Page(text)
    assert read.outside == []
    assert read.tags.isdisjoint({"script", "link", "img", "iframe"})
    assert "url(" not in text
    assert "@import" not in text


def test_nothing_that_a_shop_wrote_is_html() -> None:
    text = page(comparison())
    assert NASTY not in text
    assert text.count("&lt;script&gt;") == 4  # gained, history and a hit on either slate
    assert "&lt;note&gt;" in text
    assert "<b>fact" not in text
    assert "<i>one" not in text


def test_the_figures_of_the_page_are_those_of_the_data() -> None:
    told = Page(page(comparison())).text
    for words in (
        "recommender/12 is better.",
        "0.3500 (0.2500 to 0.3500)",
        "+0.0500 (+0.0400 to +0.0600)",
        "-0.0200 (-0.0300 to -0.0100)",
        "42 % of the items of a slate",
        "(40 to 44 %)",
        "12.5 %",
        "50.0 %",
        "heavy 33 61 %",
        "did before",
        "recency_days 3 12 0.314 0.050 0.200 ▲ drifted",
        "version 3 of the lake",
        "(version –)",
        "read from elsewhere",
        "seconds to fit 1.5 –",
        "bytes of the bundle 1,234,567 2",
    ):
        assert words in told


def test_better_and_worse_are_told_by_words_and_signs() -> None:
    told = Page(page(comparison())).text
    assert "▲ better" in told
    assert "▼ worse" in told


def test_what_is_not_known_has_no_section() -> None:
    bare = Comparison(
        a="churn/1", b="churn/2", model="churn", mark="unknown", verdict="?", note="as logged"
    )
    read = Page(page(bare))
    assert read.problems == []
    assert read.ids == ["verdict", "metrics", "drift", "cost", "facts"]
    assert "can't be read any more" in read.text
    assert "Neither version says" in read.text


def test_bars_of_one_metric_share_a_scale_and_others_have_their_own() -> None:
    named = [("small", paired("m", 0.05)), ("great", paired("m", 0.5))]
    one, other = rows(named, shared=True)
    assert one.bar == pytest.approx((0.04 / 0.51, 0.05 / 0.51, 0.06 / 0.51))
    assert other.bar == pytest.approx((0.49 / 0.51, 0.5 / 0.51, 1.0))
    assert rows(named)[0].bar == pytest.approx((0.04 / 0.06, 0.05 / 0.06, 1.0))


def test_no_difference_at_all_has_a_bar_in_the_middle() -> None:
    metric = comparison().metrics[0]
    assert metric.difference
    gap = msgspec.structs.replace(metric.difference, value=0.0, low=0.0, high=0.0)
    even = msgspec.structs.replace(metric, difference=gap, mark="level")
    alone = msgspec.structs.replace(metric, difference=None, mark="unknown")
    assert [row.bar for row in rows([("even", even), ("alone", alone)])] == [(0, 0, 0), None]
    assert shown(gap, sign="+") == "+0.0000"
    assert shown(None) == "–"


def test_numbers_are_short_and_whole_ones_have_commas() -> None:
    shorts = [number(value) for value in (None, 0.0, 0.12345, 12.345, 1234.5, 2e6)]
    assert shorts == ["–", "0", "0.123", "12.3", "1,234", "2,000,000"]


def test_metrics_have_words() -> None:
    assert parted("explore/hit_rate_20") == ("explore", "hit_rate", 20)
    assert parted("log_loss") == ("", "log_loss", None)
    assert parted("Odd name") == ("", "Odd name", None)
    assert says("repeat/ndcg_4") == "how high what was bought stands, first 4"
    assert says("auc") == "how often a case ranks above a non-case"
    assert says("something_4") == ""


def test_the_page_is_written_and_named(tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    assert write_page(comparison(), path).page == str(path)
    assert path.read_text(encoding="utf-8") == page(comparison())


def test_a_page_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgument, match="choose another file"):
        write_page(comparison(), tmp_path / "file" / "page.html")
