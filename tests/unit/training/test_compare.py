from datetime import UTC, datetime
from pathlib import Path

import pytest

from features.errors import InvalidArgument, RegistryUnavailable
from tests.shop import make_shop
from tests.unit.training.conftest import Retrained
from tests.unit.training.home import clock_of, fill, settings_at
from training import bootstrap
from training.compare_page import page, rows
from training.reports import Comparison, Figure, Paired
from training.settings import TrainingSettings


@pytest.fixture(scope="module")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    """Versions 1 and 2, the second fitted with 20 more days of history."""
    shop = make_shop(40, days=120)
    home: Path = tmp_path_factory.mktemp("compared") / "home"
    fill(home, shop)
    for days in (50, 30):
        settings = settings_at(home).model_copy(update={"holdout_days": days})
        bootstrap.train(settings, clock=clock_of(shop))
    return settings_at(home)


def test_versions_are_judged_on_the_days_that_neither_has_seen(
    two_versions: TrainingSettings,
) -> None:
    found = bootstrap.compare(two_versions, "1", "recommender/2")
    assert (found.a, found.b) == ("recommender/1", "recommender/2")
    assert "judged on 2026-05-" in found.note
    assert found.facts["holdout_days"] == ("50", "30")
    assert found.overlap is not None
    assert 0 < found.overlap.value <= 1
    metric = next(one for one in found.metrics if one.metric == "explore/ndcg_20")
    assert metric.a is not None
    assert metric.b is not None
    assert metric.difference is not None
    assert metric.difference.value == pytest.approx(metric.b.value - metric.a.value)
    assert metric.difference.low <= metric.difference.value <= metric.difference.high


def test_a_version_is_no_different_from_itself(retrained: Retrained) -> None:
    found = bootstrap.compare(retrained.settings, "churn/1", "churn/1")
    assert {row.kind for row in rows(found)} == {""}
    assert all(one.difference and one.difference.value == 0 for one in found.metrics)
    assert found.overlap is None


def test_the_page_needs_nothing_else(two_versions: TrainingSettings, tmp_path: Path) -> None:
    path = tmp_path / "new" / "page.html"
    found = bootstrap.compare(two_versions, "1", "2", path)
    text = path.read_text()
    assert found.page == str(path)
    assert "recommender/2" in text
    assert "<svg" in text
    assert 'src="' not in text
    assert "<script" not in text
    assert "<link" not in text


def test_without_the_lake_what_was_logged_is_shown(
    two_versions: TrainingSettings, tmp_path: Path
) -> None:
    alone = two_versions.model_copy(update={"lake_path": str(tmp_path / "none")})
    found = bootstrap.compare(alone, "1", "2")
    assert "not comparable" in found.note
    assert all(one.difference is None for one in found.metrics)
    assert rows(found)[0].difference == "–"
    assert "(" not in rows(found)[0].a


def test_two_models_can_not_be_compared(two_versions: TrainingSettings) -> None:
    with pytest.raises(InvalidArgument, match="can't be compared"):
        bootstrap.compare(two_versions, "recommender/1", "churn/1")


def test_a_version_that_is_not_there_is_named(two_versions: TrainingSettings) -> None:
    with pytest.raises(RegistryUnavailable, match="99"):
        bootstrap.compare(two_versions, "1", "99")


def test_a_page_that_can_not_be_written_is_named(
    two_versions: TrainingSettings, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidArgument, match="choose another file"):
        bootstrap.compare(two_versions, "1", "2", tmp_path / "file" / "page.html")


def one_metric(low: float, high: float, *, higher: bool) -> Comparison:
    def figure(model: str, value: float) -> Figure:
        return Figure(
            model=model, metric="m", value=value, low=low, high=high, higher_is_better=higher
        )

    paired = Paired(
        metric="m", a=figure("a", 0), b=figure("b", 0), difference=figure("b - a", (low + high) / 2)
    )
    return Comparison(
        a="x/1",
        b="x/2",
        facts={"<b>fact</b>": ("<i>one</i>", str(datetime(2026, 1, 1, tzinfo=UTC)))},
        metrics=(paired,),
        overlap=None,
        note="<note>",
        page=None,
    )


@pytest.mark.parametrize(
    ("low", "high", "higher", "kind"),
    [
        (0.1, 0.2, True, "better"),
        (0.1, 0.2, False, "worse"),
        (-0.2, -0.1, False, "better"),
        (-0.2, -0.1, True, "worse"),
        (-0.1, 0.2, True, ""),
    ],
)
def test_only_a_sure_difference_is_called_better_or_worse(
    low: float,
    high: float,
    higher: bool,  # noqa: FBT001 - a case
    kind: str,
) -> None:
    assert rows(one_metric(low, high, higher=higher))[0].kind == kind


def test_nothing_from_outside_is_html() -> None:
    text = page(one_metric(0, 1, higher=True))
    assert "&lt;note&gt;" in text
    assert "<b>fact" not in text
    assert "<i>one" not in text
