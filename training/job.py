"""The training job: train, gate, promote, publish; each step alone, or all as `retrain`.

A retrain changes nothing that serves until all of it is ready: models are registered as
challengers, everything to publish is computed aside, then champions change, then profiles are
written. Interrupted before the champions change, it leaves them and all profiles as they were;
interrupted after, the next publish or retrain writes the rest.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from time import perf_counter
from typing import Final

from features.clock import Clock
from features.errors import ForeignBundle, NotEnoughData, RegistryUnavailable
from features.lake import Lake
from features.progress import Stage
from features.stores.ports import Catalogue, ProfileStore
from serving.model.bundle import Bundle, load_bundle
from serving.ranking.blocks import Block
from training import champions
from training.choice import choose, starts_of
from training.churn.files import load_model
from training.churn.horizon import horizon_of
from training.churn.model import ChurnModel
from training.churn.train import train_churn
from training.compare.challenger import log_churn, log_recommender
from training.entries import (
    churn_entry,
    churn_figures,
    recommender_entry,
    recommender_figures,
)
from training.gate.history import HistoryFacts, read_facts
from training.publish import Champions, Delivered, Sources, deliver, prepare
from training.recommend import judge, open_history
from training.register import (
    BUNDLE,
    CHAMPION,
    CHURN,
    JUDGED,
    MODELS,
    RECOMMENDER,
    fetch,
    register,
    version_name,
)
from training.reports import Promotion, PublishReport, RetrainReport, Trained, TrainReport
from training.settings import TrainingSettings
from training.span import Span, span_of
from training.staging import Staging, read_plan
from training.tracking import Tracking
from training.tuning.bench import Bench, Budget
from training.verdicts import (
    history_checks,
    recommender_verdict,
    with_checks,
    without_champion,
)

STAGING: Final = "publish"
"""Folder of a publish that is under way, below `HOMING_HOME`."""
TUNING: Final = "tuning"
"""Folder of the notes of tuning, below `HOMING_HOME`."""


@dataclass(frozen=True, eq=False)
class Job:
    """A training job over opened stores; whoever calls it holds the lock.

    Attributes:
        settings: How models are made.
        lake: History.
        profiles: Who is published to.
        catalogue: What can be shown.
        blocks: What slates are published for.
        tracking: Where models are registered.
        clock: Tells the time.
        progress: Opens stages.
    """

    settings: TrainingSettings
    lake: Lake
    profiles: ProfileStore
    catalogue: Catalogue
    blocks: dict[str, Block]
    tracking: Tracking
    clock: Clock
    progress: Stage

    def train(self) -> TrainReport:
        """Make, judge and register both models; nothing is promoted.

        Raises:
            LakeMissing: There is no history.
            NotEnoughData: Too little of it to judge a recommender.
            RegistryUnavailable: MLflow does not answer.
        """
        span = span_of(self.lake, self.settings.holdout, self.clock, self.settings.gap)
        with self.progress("looking at history"):
            facts = read_facts(self.lake, span.lake_version, self.clock.now())
        recommender, customers = self._train_recommender(span, facts)
        churn, skipped = None, None
        try:
            churn = self._train_churn(span, facts)
        except NotEnoughData as error:
            skipped = str(error)
        return TrainReport(
            recommender=recommender,
            churn=churn,
            churn_skipped=skipped,
            lake_version=span.lake_version,
            as_of=span.end,
            cutoff=span.cutoff,
            customers=customers,
        )

    def publish(self) -> PublishReport:
        """Publish with the champions; goes on with an interrupted publish.

        Raises:
            RegistryUnavailable: There is no champion recommender, or MLflow does not answer.
            StoreUnavailable: A store or the disk fails.
        """
        chosen = {model: self.tracking.alias(model, CHAMPION) for model in MODELS}
        began = perf_counter()
        with self._champions(chosen) as models:
            staging, resumed = self._prepare(models)
        return self._deliver(staging, began, resumed=resumed, unread=models.unread)

    def retrain(self) -> RetrainReport:
        """Train, gate, promote and publish.

        Raises:
            LakeMissing: There is no history.
            NotEnoughData: Too little of it to judge a recommender.
            RegistryUnavailable: MLflow does not answer.
            StoreUnavailable: A store or the disk fails.
        """
        self._finish_interrupted()
        trained = self.train()
        passed, refused = self._gate(trained)
        chosen = {model: self.tracking.alias(model, CHAMPION) for model in MODELS} | passed
        if chosen[RECOMMENDER] is None:
            return RetrainReport(trained=trained, promoted=(), refused=refused, published=None)
        began = perf_counter()
        with self._champions(chosen) as models:
            staging, resumed = self._prepare(models)
        promoted = tuple(self._promote(model, number) for model, number in passed.items())
        published = self._deliver(staging, began, resumed=resumed, unread=models.unread)
        return RetrainReport(
            trained=trained, promoted=promoted, refused=refused, published=published
        )

    def _train_recommender(self, span: Span, facts: HistoryFacts) -> tuple[Trained, int]:
        began = perf_counter()
        champion = self.tracking.alias(RECOMMENDER, CHAMPION)
        name = version_name(RECOMMENDER, champion) if champion else None
        with self._work() as work, open_history(self.lake, span, self.clock.now()) as history:
            rival = self._judged(champion, work)
            starts = starts_of(rival.manifest if rival else None, self.settings.algorithms)
            choice = choose(history, starts, self._bench(span), self.progress)
            with self.progress("fitting recommenders") as advance:
                bundles = history.fit_all(choice.judged, span.fit_until, advance)
            with self.progress("judging recommenders") as advance:
                judged = judge(history, bundles, choice.best, rival, advance)
            with self.progress("fitting on all history"):
                started = perf_counter()
                final = history.fit(choice.recipes[judged.chosen], span.end)
                took = perf_counter() - started
            with self.progress("asking the gate"):
                as_of = judged.champion.manifest.data.as_of if judged.champion else None
                data = history_checks(facts, self.settings.fresh_days, as_of)
                verdict = recommender_verdict(history, judged, final, name, data)
            with self.progress("registering the recommender"):
                source = (self.lake, span)
                made = final, choice.origin(judged.chosen)
                entry = recommender_entry(
                    judged, made, verdict, source, work / "new", fit_seconds=took
                )
                number, run = register(self.tracking, entry)
            with self.progress("comparing it with what it had to beat"):
                log_recommender(self.tracking, self.lake, history, judged, (champion, number))
        trained = Trained(
            version=version_name(RECOMMENDER, number),
            algorithm=judged.chosen,
            run=run,
            figures=recommender_figures(judged.answers),
            verdict=verdict,
            seconds=perf_counter() - began,
            tuned=choice.tuned(),
        )
        return trained, judged.customers

    def _bench(self, span: Span) -> Bench | None:
        """What recommenders are tuned with; None when there is no budget for it."""
        if not self.settings.tune_seconds:
            return None
        tags = {
            "data.lake_version": str(span.lake_version),
            "data.as_of": span.end.isoformat(),
            "data.cutoff": span.cutoff.isoformat(),
        }
        budget = Budget(self.settings.tune_seconds)
        return Bench(self.settings.home / TUNING, budget, self.tracking, tags, self.clock)

    def _train_churn(self, span: Span, facts: HistoryFacts) -> Trained:
        began = perf_counter()
        champion = self.tracking.alias(CHURN, CHAMPION)
        with self._work() as work:
            rival, fault = self._churn(champion, JUDGED, work / "champion")
            with self.progress("training churn") as advance:
                now = self.clock.now()
                wanted = self.settings.churn_horizon_days, self.settings.churn_active_days
                horizon = horizon_of(self.lake, span, wanted, rival[1] if rival else None)
                judged = train_churn(self.lake, span, horizon, rival, now, advance)
            as_of = rival[1].manifest.data.as_of if rival else None
            data = history_checks(facts, self.settings.fresh_days, as_of)
            verdict = with_checks(judged.verdict, data)
            if fault is not None:
                verdict = without_champion(verdict, version_name(CHURN, str(champion)), fault)
            judged = replace(judged, verdict=verdict)
            with self.progress("registering churn"):
                entry = churn_entry(judged, (self.lake, span), work / "new", now)
                number, run = register(self.tracking, entry)
            with self.progress("comparing it with what it had to beat"):
                beaten = champion if rival else None
                log_churn(self.tracking, self.lake, span, judged, (beaten, number))
        return Trained(
            version=version_name(CHURN, number),
            algorithm=entry.algorithm,
            run=run,
            figures=churn_figures(judged),
            verdict=judged.verdict,
            seconds=perf_counter() - began,
            churns=(horizon.ahead.days, horizon.active.days),
        )

    def _churn(
        self, number: str | None, part: str, into: Path
    ) -> tuple[tuple[str, ChurnModel] | None, ForeignBundle | None]:
        """The name and the model of a churn version, or why its files can't be read.

        Models of another version of Homing may be of another form. A champion that can't be read
        must not keep a new one from taking its place. One whose files are damaged is none of that
        kind: it is good once it is fetched again.

        Raises:
            BundleError: Its files are damaged.
        """
        if number is None:
            return None, None
        try:
            model = load_model(fetch(self.tracking, (CHURN, number), part, into))
        except ForeignBundle as fault:
            return None, fault
        return (version_name(CHURN, number), model), None

    def _judged(self, champion: str | None, work: Path) -> Bundle | None:
        """The champion's twin that never saw its own held-out time."""
        if champion is None:
            return None
        folder = fetch(self.tracking, (RECOMMENDER, champion), JUDGED, work / "champion")
        return load_bundle(folder)

    def _gate(self, trained: TrainReport) -> tuple[dict[str, str | None], dict[str, str]]:
        """Model → number of what passed, and version → why it was refused."""
        passed: dict[str, str | None] = {}
        refused: dict[str, str] = {}
        for one in (trained.recommender, trained.churn):
            if one is None:
                continue
            model, _, number = one.version.partition("/")
            if one.verdict.passed:
                passed[model] = number
            else:
                refused[one.version] = one.verdict.reason
        return passed, refused

    def _promote(self, model: str, number: str | None) -> Promotion:
        act = champions.Act("homing retrain", self.clock.now())
        return champions.promote(self.tracking, model, str(number), act)

    @contextmanager
    def _champions(self, chosen: dict[str, str | None]) -> Iterator[Champions]:
        """The models of these numbers, from files that are gone afterwards."""
        number, churn = chosen[RECOMMENDER], chosen[CHURN]
        if number is None:
            message = "there is no champion recommender: run `homing train`, then `homing promote`"
            raise RegistryUnavailable(message)
        with self._work() as work:
            bundle = load_bundle(fetch(self.tracking, (RECOMMENDER, number), BUNDLE, work / "r"))
            found, fault = self._churn(churn, BUNDLE, work / "c")
            name, model = found or ("", None)
            yield Champions(
                recommender=bundle,
                recommender_version=version_name(RECOMMENDER, number),
                churn=model,
                churn_version=name,
                unread=None if fault is None else f"{version_name(CHURN, str(churn))}: {fault}",
            )

    def _prepare(self, models: Champions) -> tuple[Staging, bool]:
        """All that is to be published, computed aside; and whether that had begun before."""
        span = span_of(self.lake, timedelta(0), self.clock)
        sources = Sources(
            profiles=self.profiles,
            catalogue=self.catalogue,
            lake=self.lake,
            blocks=self.blocks,
            batch=self.settings.publish_batch,
            spare=self.settings.publish_spare,
            now=self.clock.now(),
        )
        plan = sources.plan(models, span.end, span.lake_version)
        staging, resumed = Staging.open(self.settings.home / STAGING, plan)
        with self.progress("computing slates and scores") as advance:
            prepare(sources, models, staging, advance)
        return staging, resumed

    def _deliver(
        self, staging: Staging, began: float, *, resumed: bool, unread: str | None = None
    ) -> PublishReport:
        with self.progress("writing profiles") as advance:
            done: Delivered = deliver(self.profiles, self.catalogue, staging, advance)
        return PublishReport(
            customers=done.customers,
            slates=done.slates,
            scored=done.scored,
            segments=done.segments,
            shelves=done.shelves,
            models=staging.plan.models,
            resumed=resumed,
            seconds=perf_counter() - began,
            unread=unread,
        )

    def _finish_interrupted(self) -> None:
        """Deliver what an interrupted retrain had promoted but not yet written."""
        folder = self.settings.home / STAGING
        plan = read_plan(folder)
        if plan is None:
            return
        staging = Staging(folder, plan)
        present = {model: self.tracking.alias(model, CHAMPION) for model in plan.models}
        named = {model: version_name(model, str(number)) for model, number in present.items()}
        if staging.complete and named == plan.models:
            self._deliver(staging, perf_counter(), resumed=True)

    @contextmanager
    def _work(self) -> Iterator[Path]:
        """A folder below home for files on their way; gone afterwards."""
        self.settings.home.mkdir(parents=True, exist_ok=True)
        work = Path(tempfile.mkdtemp(prefix=".work-", dir=self.settings.home))
        try:
            yield work
        finally:
            shutil.rmtree(work, ignore_errors=True)
