"""Who became champion, when, by whom, and on what evidence."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter

import msgspec
import pytest

from features.clock import FixedClock
from features.errors import InvalidArgument, RegistryUnavailable
from training import champions, promotions
from training.champions import Act
from training.register import CHECKS, verdict_tags
from training.reports import Check, Verdict
from training.settings import TrainingSettings
from training.tracking import Tracking

AT = datetime(2026, 3, 1, tzinfo=UTC)
TRIES = 3


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    """A registry with three versions: one that passed, one that did not, one never judged."""
    home: Path = tmp_path_factory.mktemp("promotions")
    settings = TrainingSettings(home=home)
    passed, refused = Check("fresh", passed=True, reason="new"), Check("slice new", False, "worse")  # noqa: FBT003 - as the struct has it
    tags = [
        {**verdict_tags(verdict, AT), CHECKS: msgspec.json.encode(verdict.checks).decode()}
        for verdict in (
            verdict_of((passed,), "popularity"),
            verdict_of((passed, refused), "recommender/1"),
        )
    ]
    with tracking_of(settings).client() as client:
        client.create_registered_model("recommender")
        for of_version in (*tags, {}):
            client.create_model_version("recommender", source=str(home), tags=of_version)
    return settings


def verdict_of(checks: tuple[Check, ...], against: str) -> Verdict:
    return Verdict(
        passed=all(check.passed for check in checks),
        against=against,
        metric="ndcg_20",
        difference=0.02,
        low=0.01,
        high=0.03,
        reason="the reason",
        checks=checks,
    )


def tracking_of(settings: TrainingSettings) -> Tracking:
    return Tracking(settings.resolved_tracking_url(), settings.artifacts)


def test_every_change_says_who_what_when_and_on_which_evidence(settings: TrainingSettings) -> None:
    assert promotions.promotions(settings).changes == ()
    clock = FixedClock(AT)
    tracking = tracking_of(settings)
    champions.promote(tracking, "recommender", "1", Act("homing retrain", clock.now()))
    for version in ("recommender/2", "recommender/3"):
        clock.advance(timedelta(days=1))
        promotions.promote(settings, version, reason="a hunch", force=True, clock=clock)
    clock.advance(timedelta(days=1))
    promotions.rollback(settings, clock=clock)

    told = promotions.promotions(settings)
    assert told.champion == "recommender/2"
    newest = [(version, change.command, change.forced) for version, change in told.changes]
    assert newest == [
        ("recommender/2", "homing rollback", False),
        ("recommender/3", "homing promote", True),
        ("recommender/2", "homing promote", True),
        ("recommender/1", "homing retrain", False),
    ]
    assert [change.at for _, change in told.changes] == [
        AT + timedelta(days=n) for n in (3, 2, 1, 0)
    ]
    assert told.changes[0][1].reason == "rolled back from recommender/3"
    assert all(change.by for _, change in told.changes)

    first, forced = told.changes[3][1].evidence, told.changes[2][1].evidence
    assert first is not None
    assert (first.against, first.metric, first.low) == ("popularity", "ndcg_20", 0.01)
    assert (first.passed, first.failed) == (1, ())
    assert forced is not None
    assert (forced.passed, forced.failed) == (1, ("slice new",))
    assert told.changes[1][1].evidence is None


def test_the_former_champion_is_back_within_a_second(settings: TrainingSettings) -> None:
    tracking = tracking_of(settings)
    taken = []
    for _ in range(TRIES):
        champions.promote(tracking, "recommender", "1", Act("test", AT), force=True)
        champions.promote(tracking, "recommender", "3", Act("test", AT, "slow?"), force=True)
        began = perf_counter()
        done = champions.rollback(tracking, "recommender", Act("test", AT))
        taken.append(perf_counter() - began)
        assert (done.version, done.former) == ("recommender/1", "recommender/3")
    assert min(taken) < 1.0


def test_a_model_that_is_not_registered_has_no_promotions(settings: TrainingSettings) -> None:
    assert promotions.promotions(settings, "churn").champion is None
    with pytest.raises(InvalidArgument, match="no such model"):
        promotions.promotions(settings, "oracle")


def test_a_registry_that_nobody_made_is_named_and_not_made(tmp_path: Path) -> None:
    nowhere = TrainingSettings(home=tmp_path / "home")
    for ask in (promotions.promotions, promotions.rollback):
        with pytest.raises(RegistryUnavailable, match=r"mlflow\.db: `homing train` makes one"):
            ask(nowhere)
    with pytest.raises(RegistryUnavailable, match="no MLflow database"):
        promotions.promote(nowhere, "recommender/1")
    assert not nowhere.home.exists()
