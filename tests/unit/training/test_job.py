"""The whole training job, on a small shop."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from features.clock import Clock
from features.errors import (
    AlreadyRunning,
    BundleError,
    GateRefused,
    InvalidArgument,
    NotEnoughData,
    RegistryUnavailable,
    SettingsError,
)
from features.profile import Profile
from features.progress import Advance
from tests.shop import Shop, make_shop
from tests.unit.training.conftest import Retrained
from tests.unit.training.home import clock_of, fill, settings_at, stores_of
from training import bootstrap, promotions
from training.lock import only_one
from training.next_best import ACTIONS
from training.register import CHAMPION, fetch
from training.settings import TrainingSettings
from training.tracking import Tracking


class Killed(BaseException):
    """Stands for a process that ends here."""


def killed_in(name: str, *, after: int = 0):  # type: ignore[no-untyped-def] # a Stage
    """A progress that ends the work in a stage, once it was told of so many steps."""

    @contextmanager
    def stage(opened: str) -> Iterator[Advance]:
        steps = 0

        def advance(_done: int, _total: int) -> None:
            nonlocal steps
            steps += 1
            if opened == name and steps > after:
                raise Killed

        if opened == name and after == 0:
            raise Killed
        yield advance

    return stage


def profiles_of(settings: TrainingSettings) -> dict[str, Profile]:
    stores = stores_of(settings.home)
    found = stores.profiles.get_many(stores.profiles.customers(limit=10_000))
    stores.close()
    return found


def champion(settings: TrainingSettings) -> str | None:
    tracking = Tracking(settings.resolved_tracking_url(), settings.artifacts)
    return tracking.alias("recommender", CHAMPION)


@pytest.fixture(scope="module")
def shop() -> Shop:
    """Too short a history for churn, so that a retrain takes a second."""
    return make_shop(40, days=100)


@pytest.fixture
def settings(tmp_path: Path, shop: Shop) -> TrainingSettings:
    return fill(tmp_path / "home", shop)


@pytest.fixture(scope="module")
def interrupted(tmp_path_factory: pytest.TempPathFactory, shop: Shop) -> Path:
    """A home whose first retrain ended when it had written one profile."""
    home: Path = tmp_path_factory.mktemp("interrupted") / "home"
    with pytest.raises(Killed):
        bootstrap.retrain(fill(home, shop), killed_in("writing profiles", after=1), clock_of(shop))
    return home


@pytest.fixture
def begun(interrupted: Path, tmp_path: Path) -> TrainingSettings:
    """Of a copy of that home."""
    shutil.copytree(interrupted, tmp_path / "home")
    return settings_at(tmp_path / "home")


def test_a_retrain_finds_the_planted_tastes_and_promotes_what_found_them(
    retrained: Retrained,
) -> None:
    verdict = retrained.report.trained.recommender.verdict
    assert verdict.passed
    assert verdict.against == "popularity"
    assert verdict.low > 0.1
    assert champion(retrained.settings) == "1"


def test_what_is_published_is_of_the_customers_own_taste(retrained: Retrained) -> None:
    report = retrained.report.published
    assert report is not None
    assert report.customers == len(retrained.shop.taste) == 160
    own = total = 0
    for customer, profile in profiles_of(retrained.settings).items():
        slate = profile.published.slates["buy_again"]
        assert slate.model == "recommender/1"
        own += sum(item.startswith(retrained.shop.taste[customer]) for item in slate.items[:4])
        total += len(slate.items[:4])
    assert own / total > 0.8


def test_publishing_leaves_histories_as_they_were(retrained: Retrained) -> None:
    before = {profile.customer: profile.history for profile in retrained.shop.profiles()}
    after = {key: one.history for key, one in profiles_of(retrained.settings).items()}
    assert after == before


def test_every_customer_has_a_segment_and_features(retrained: Retrained) -> None:
    for profile in profiles_of(retrained.settings).values():
        assert profile.published.segment
        assert profile.published.features["purchase_days"] >= 0


def test_every_customer_has_a_next_best_action_and_leans_to_the_planted_taste(
    retrained: Retrained,
) -> None:
    profiles = profiles_of(retrained.settings)
    actions = {
        one.published.next_best.action for one in profiles.values() if one.published.next_best
    }
    assert {"win_back", "cross_sell", "recommend"} <= actions <= set(ACTIONS)
    top = {key: next(iter(one.published.affinities)) for key, one in profiles.items()}
    own = [top[key] == taste for key, taste in retrained.shop.taste.items()]
    assert sum(own) / len(own) > 0.95


def test_shelves_hold_what_their_segment_likes(retrained: Retrained) -> None:
    stores = stores_of(retrained.settings.home)
    shelves = stores.catalogue.shelves()
    stores.close()
    assert {"popular", "segment:loyal", "segment:lapsed"} <= set(shelves)
    assert all(len(set(items)) == len(items) > 0 for items in shelves.values())


def test_a_data_scientist_can_load_the_champion(
    retrained: Retrained, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    pandas = pytest.importorskip("pandas")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", retrained.settings.resolved_tracking_url())
    model = mlflow.pyfunc.load_model("models:/recommender@champion")
    asked = pandas.DataFrame({"history": [["tea-0", "tea-1"], ["toys-0", "toys-2"]], "n": [5, 3]})
    answer = model.predict(asked)
    assert [len(items) for items in answer["items"]] == [5, 3]
    assert all(item.startswith("tea") for item in answer["items"][0][:3])
    assert not {"tea-0", "tea-1"} & set(answer["items"][0])


def test_no_customer_is_in_what_the_registry_holds(retrained: Retrained) -> None:
    keys = [key.encode() for key in retrained.shop.taste]
    outside = [name.encode() + b'"' for name in retrained.shop.outside]
    home = retrained.settings.home
    files = [home / "mlflow.db", *(p for p in (home / "artifacts").rglob("*") if p.is_file())]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        assert not [name for name in (*keys, *outside) if name in content], path


def test_a_second_training_with_nothing_new_is_refused_by_the_gate(
    retrained: Retrained,
) -> None:
    again = bootstrap.train(retrained.settings, clock=retrained.clock)
    assert not again.recommender.verdict.passed
    assert again.recommender.verdict.against == "recommender/1"
    with pytest.raises(GateRefused, match="does not beat"):
        promotions.promote(retrained.settings, again.recommender.version)
    assert champion(retrained.settings) == "1"


def test_interrupted_before_the_promotion_all_is_as_it_was(
    settings: TrainingSettings, shop: Shop
) -> None:
    before = profiles_of(settings)
    killed = killed_in("computing slates and scores", after=1)
    with pytest.raises(Killed):
        bootstrap.retrain(settings, killed, clock_of(shop))
    assert champion(settings) is None
    assert profiles_of(settings) == before
    assert not list(settings.home.glob(".work-*"))


def test_interrupted_while_writing_the_next_publish_writes_the_rest(
    begun: TrainingSettings, shop: Shop
) -> None:
    assert champion(begun) == "1"
    written = [one for one in profiles_of(begun).values() if one.published.slates]
    assert 0 < len(written) < len(shop.taste)
    report = bootstrap.publish(begun, clock=clock_of(shop))
    assert report.resumed
    assert all(one.published.slates for one in profiles_of(begun).values())
    assert not bootstrap.publish(begun, clock=clock_of(shop)).resumed


def test_interrupted_while_computing_the_next_publish_goes_on(
    retrained: Retrained, tmp_path: Path
) -> None:
    shutil.copytree(retrained.settings.home, tmp_path / "home")
    settings, clock = settings_at(tmp_path / "home"), clock_of(retrained.shop)
    clock.advance(timedelta(hours=1))
    killed = killed_in("computing slates and scores", after=1)
    with pytest.raises(Killed):
        bootstrap.publish(settings, killed, clock)
    staged = {path: path.stat().st_mtime_ns for path in (settings.home / "publish").glob("batch-*")}
    assert len(staged) == 2
    with pytest.raises(Killed):  # now in the short part
        bootstrap.publish(settings, killed_in("writing profiles"), clock)
    assert {path: path.stat().st_mtime_ns for path in staged} == staged  # not computed again

    done = bootstrap.publish(settings, clock=clock)
    assert done.resumed
    assert done.customers == 160
    assert not (settings.home / "publish").exists()
    at = int(clock.now().timestamp())
    assert {one.published.at for one in profiles_of(settings).values()} == {at}


def test_the_next_retrain_first_writes_what_an_interrupted_one_had_promoted(
    begun: TrainingSettings, shop: Shop
) -> None:
    with pytest.raises(Killed):
        bootstrap.retrain(begun, killed_in("looking at history"), clock_of(shop))
    assert all(one.published.slates for one in profiles_of(begun).values())


def test_a_churn_champion_scores_the_active_and_nobody_else(
    retrained: Retrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(retrained.settings.home, tmp_path / "home")
    settings, clock = settings_at(tmp_path / "home"), clock_of(retrained.shop)
    promotions.promote(settings, "churn/1", force=True, reason="for the test", clock=clock)
    stores = stores_of(settings.home)
    stores.profiles.put_many([Profile("ck_" + "0" * 32)])  # whom the lake does not know
    stores.close()
    report = bootstrap.publish(settings, clock=clock)
    assert report.models == {"recommender": "recommender/1", "churn": "churn/1"}
    assert 0 < report.scored < report.customers == 161
    for profile in profiles_of(settings).values():
        active = profile.published.features.get("recency_days", 999) <= 56
        assert ("churn" in profile.published.scores) == active
        assert ("churn" in profile.published.bands) == active
        assert all(0 <= score <= 1 for score in profile.published.scores.values())

    mlflow = pytest.importorskip("mlflow")
    pandas = pytest.importorskip("pandas")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", settings.resolved_tracking_url())
    model = mlflow.pyfunc.load_model("models:/churn@champion")
    scored = next(p for p in profiles_of(settings).values() if p.published.scores)
    answer = model.predict(pandas.DataFrame([scored.published.features]))
    assert answer["probability"][0] == pytest.approx(scored.published.scores["churn"])
    assert answer["band"][0] == scored.published.bands["churn"]


def test_a_second_job_at_the_same_time_is_refused(settings: TrainingSettings, shop: Shop) -> None:
    with only_one(settings.home, "training", clock_of(shop)):
        (settings.home / "mlflow.db").touch()  # as training makes it
        for job in (bootstrap.retrain, bootstrap.train, bootstrap.publish):
            with pytest.raises(AlreadyRunning, match="training runs as process"):
                job(settings)
        with pytest.raises(AlreadyRunning):
            promotions.promote(settings, "recommender/1")
        with pytest.raises(AlreadyRunning):
            promotions.rollback(settings)


def test_a_home_that_can_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SettingsError, match="HOMING_HOME"):
        bootstrap.publish(TrainingSettings(home=tmp_path / "file" / "home"))


def test_publishing_without_a_champion_says_what_to_do(settings: TrainingSettings) -> None:
    with pytest.raises(RegistryUnavailable, match="run `homing train`, then `homing promote`"):
        bootstrap.publish(settings)


def test_history_shorter_than_the_held_out_time_is_too_little(tmp_path: Path) -> None:
    short = make_shop(10, days=40)
    settings = fill(tmp_path / "home", short)
    with pytest.raises(NotEnoughData, match="HOMING_HOLDOUT_DAYS"):
        bootstrap.train(settings, clock=clock_of(short))


def test_a_short_history_trains_a_recommender_without_churn(
    settings: TrainingSettings, shop: Shop
) -> None:
    report = bootstrap.retrain(settings, clock=clock_of(shop))
    assert report.trained.churn is None
    assert "churn" in str(report.trained.churn_skipped)
    assert [one.version for one in report.promoted] == ["recommender/1"]


def test_force_needs_a_reason_and_rollback_a_model(settings: TrainingSettings) -> None:
    with pytest.raises(InvalidArgument, match="force needs a reason"):
        promotions.promote(settings, "recommender/1", force=True)
    with pytest.raises(InvalidArgument, match="no such model"):
        promotions.rollback(settings, "oracle")


def test_a_budget_tunes_and_the_report_says_what_came_of_it(tmp_path: Path) -> None:
    shop = make_shop(24, days=150)
    settings = fill(tmp_path / "home", shop).model_copy(
        update={"holdout_days": 28, "tune_seconds": 0.5}
    )
    report = bootstrap.train(settings, clock=clock_of(shop)).recommender
    assert {one.algorithm for one in report.tuned} == set(settings.algorithms.split(","))
    assert all(one.trials >= 1 and one.best >= one.default for one in report.tuned)
    tracking = Tracking(settings.resolved_tracking_url(), settings.artifacts)
    with tracking.client() as client:
        experiment = client.get_experiment_by_name("tuning")
        assert experiment is not None
        runs = client.search_runs([experiment.experiment_id], max_results=1000)
    assert len(runs) == sum(1 + one.trials for one in report.tuned)
    assert {run.data.tags["data.lake_version"] for run in runs} == {"0"}
    assert list((settings.home / "tuning").glob("*/*.jsonl"))


Spoilt = Callable[[Callable[[Path], object]], tuple[TrainingSettings, Clock]]


@pytest.fixture
def spoilt(retrained: Retrained, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Spoilt:
    """A shop whose champion churn/1 comes out of the registry as a function leaves its folder."""
    shutil.copytree(retrained.settings.home, tmp_path / "home")
    settings, clock = settings_at(tmp_path / "home"), clock_of(retrained.shop)
    promotions.promote(settings, "churn/1", force=True, reason="for the test", clock=clock)

    def spoil(how: Callable[[Path], object]) -> tuple[TrainingSettings, Clock]:
        def fetched(tracking: Tracking, version: tuple[str, str], part: str, into: Path) -> Path:
            folder = fetch(tracking, version, part, into)
            if version == ("churn", "1"):
                how(folder)
            return folder

        monkeypatch.setattr("training.job.fetch", fetched)
        return settings, clock

    return spoil


def test_a_churn_champion_of_another_form_is_told_of_and_replaced(spoilt: Spoilt) -> None:
    settings, clock = spoilt(lambda folder: (folder / "manifest.json").write_text('{"format": 0}'))
    report = bootstrap.publish(settings, clock=clock)
    assert (report.scored, report.models) == (0, {"recommender": "recommender/1"})
    assert str(report.unread).startswith("churn/1: ")

    again = bootstrap.retrain(settings, clock=clock)
    assert again.trained.churn is not None
    verdict = again.trained.churn.verdict
    assert verdict.against == "rfm_logistic"
    assert "churn/1 is champion and can't be read by this version of Homing" in verdict.reason
    assert again.published is not None
    assert (again.published.unread is None) == verdict.passed


def test_a_churn_champion_whose_files_are_damaged_keeps_its_place(spoilt: Spoilt) -> None:
    settings, clock = spoilt(lambda folder: (folder / "value.npy").write_bytes(b"half a fi"))
    for job in (bootstrap.publish, bootstrap.retrain):
        with pytest.raises(BundleError, match=r"value\.npy"):
            job(settings, clock=clock)
