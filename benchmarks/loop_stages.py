"""One stage of the loop on the demo's data, in a process of its own, so that its memory is its own.

`python -m benchmarks.loop_stages STAGE HOME` does it and prints its seconds as JSON. Stages build
on what earlier ones left in HOME.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from implicit.cpu.als import AlternatingLeastSquares
from threadpoolctl import threadpool_limits

from benchmarks.figures import TIMES, seconds
from benchmarks.stages import Stage, main
from features.clock import SystemClock
from features.definitions.table import feature_table
from features.lake import Lake
from features.progress import silent
from homing.households import import_households
from serving.model.bundle import Bundle, load_bundle
from training import bootstrap
from training.dataset import Dataset
from training.recommend import History, judge, open_history
from training.recommenders import als
from training.recommenders.recipe import ALGORITHMS, default_recipe
from training.settings import TrainingSettings
from training.span import Span, span_of

SECRET = "a secret that benchmarks share, and nothing else"  # noqa: S105 - guards nothing


def settings_of(home: str) -> TrainingSettings:
    """Settings of all stages."""
    return TrainingSettings(home=Path(home), secret=SECRET)


def import_stage(home: str) -> Stage:
    """1.47 M purchase lines, 68,509 products, mails and redemptions."""
    run = lambda: list(import_households(settings_of(home), silent, SystemClock()))  # noqa: E731
    return Stage(seconds(run))


def features_stage(home: str) -> Stage:
    """Every feature of every customer as of the cutoff."""
    lake, span = _lake(home)
    return Stage(seconds(lambda: feature_table(lake, span.cutoff)))


def train_stage(home: str) -> Stage:
    """All recommenders, fitted on what was before the cutoff."""
    lake, span = _lake(home)
    recipes = {name: default_recipe(name) for name in ALGORITHMS}
    began = time.perf_counter()
    with open_history(lake, span, SystemClock().now()) as history:
        fitted = history.fit_all(recipes, span.cutoff, lambda _done, _total: None)
    spent = time.perf_counter() - began
    for name, bundle in fitted.items():
        bundle.save(Path(home) / "bundles" / name)
    return Stage(spent)


def evaluate_stage(home: str) -> Stage:
    """All recommenders on 8 held-out weeks, the whole catalogue ranked, with intervals."""
    lake, span = _lake(home)
    bundles = {name: load_bundle(Path(home) / "bundles" / name) for name in ALGORITHMS}
    with open_history(lake, span, SystemClock().now()) as history:
        return Stage(seconds(lambda: _judge(history, bundles)))


def retrain_stage(home: str) -> Stage:
    """The whole of `homing retrain`, churn, registration and publishing included."""
    return Stage(seconds(lambda: bootstrap.retrain(settings_of(home))))


def publish_stage(home: str) -> Stage:
    """Slates, scores, segments and features of every customer into the profiles."""
    return Stage(seconds(lambda: bootstrap.publish(settings_of(home))))


def als_stage(home: str) -> Stage:
    """The ALS step beside a bare fit by implicit, interleaved."""
    lake, span = _lake(home)
    with open_history(lake, span, SystemClock().now()) as history:
        data = history.dataset(span.cutoff)
    params = als.AlsParams()
    ours: list[float] = []
    bare: list[float] = []
    for _ in range(TIMES):
        ours.append(seconds(lambda: als.fit(data, params, SystemClock().now())))
        bare.append(seconds(lambda: _bare_fit(data, params)))
    return Stage(median(ours), {"bare": median(bare)})


def _bare_fit(data: Dataset, params: als.AlsParams) -> None:
    with threadpool_limits(limits=1, user_api="blas"):
        model = AlternatingLeastSquares(
            factors=params.factors,
            regularization=params.regularization,
            alpha=1.0,
            iterations=params.iterations,
            num_threads=params.num_threads,
            random_state=params.seed,
        )
        model.fit(als.confidences(data.matrix, params), show_progress=False)


def _judge(history: History, bundles: dict[str, Bundle]) -> None:
    judge(history, bundles, "als", None, lambda _done, _total: None)


def _lake(home: str) -> tuple[Lake, Span]:
    settings = settings_of(home)
    lake = Lake(settings.resolved_lake_path())
    return lake, span_of(lake, settings.holdout, SystemClock())


STAGES: dict[str, Callable[[str], Stage]] = {
    "import": import_stage,
    "features": features_stage,
    "train": train_stage,
    "evaluate": evaluate_stage,
    "retrain": retrain_stage,
    "publish": publish_stage,
    "als": als_stage,
}
"""In the order in which they build on each other."""


if __name__ == "__main__":
    main(STAGES)
