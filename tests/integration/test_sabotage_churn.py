"""A churn model that was spoilt in one place is refused, and the check that refuses it names it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.unit.training.churn.samples import AT, HORIZON, make_snapshot
from training.churn.cores import RFM_LOGISTIC
from training.churn.fit import BoostingParams, fit_blend, fit_logistic
from training.churn.gate import CHAMPION, Trial, decide
from training.churn.lessons import Source
from training.churn.model import ChurnModel
from training.churn.snapshots import Snapshot
from training.churn.train import outcome_of

ROWS: Final = 900
CUTOFF: Final = AT - HORIZON.ahead
PARAMS: Final = BoostingParams(trees=60, learning_rate=0.1)
DICE: Final = np.random.default_rng(7)
Spoil = Callable[[Trial], Trial]


def snapshot(number: int) -> Snapshot:
    """Who does not open mails leaves: what recency, frequency and money don't know."""
    return make_snapshot(ROWS, number=number, driver="emails_91d")


def fitted(snapshots: list[Snapshot], as_of: Any = CUTOFF) -> ChurnModel:  # noqa: ANN401 - a moment
    return fit_blend(snapshots, PARAMS, Source(HORIZON, as_of, 1), AT)


@pytest.fixture(scope="module")
def honest() -> Trial:
    before, tests = [snapshot(n) for n in (2, 3, 4)], [snapshot(1), snapshot(0)]
    judged = fitted(before)
    logistic = fit_logistic(before, Source(HORIZON, CUTOFF, 1), AT)
    models = {judged.manifest.algorithm: judged, RFM_LOGISTIC: logistic, CHAMPION: logistic}
    final = fitted([*tests[::-1], *before], AT + HORIZON.ahead)
    return Trial(outcome_of(models, tests), judged, final, before, tests, CUTOFF)


def saying(trial: Trial, change: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> Trial:
    """The challenger says something else of the same customers."""
    name = trial.judged.manifest.algorithm
    said = {**trial.outcome.said, name: change(trial.outcome.said[name])}
    return replace(trial, outcome=replace(trial.outcome, said=said))


def with_feature(trial: Trial, value: float) -> Trial:
    """A feature's feed has ended since it was fitted."""
    tests = [
        replace(one, features={**one.features, "emails_91d": np.full(ROWS, value)})
        for one in trial.tested_on
    ]
    return replace(trial, tested_on=tests)


def with_manifest(model: ChurnModel, **fields: object) -> ChurnModel:
    return replace(model, manifest=msgspec.structs.replace(model.manifest, **fields))


def relabelled(trial: Trial) -> Trial:
    """What will serve was fitted on labels that were shuffled."""
    spoilt = [
        replace(one, churned=DICE.permutation(one.churned))
        for one in (*trial.tested_on[::-1], *trial.fitted_on)
    ]
    return replace(trial, final=fitted(spoilt, AT + HORIZON.ahead))


def judged_on(trial: Trial, happened: NDArray[np.bool_]) -> Trial:
    return replace(trial, outcome=replace(trial.outcome, happened=happened))


def odds_times(said: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    odds = np.log(said / (1 - said)) * factor
    return np.asarray(1 / (1 + np.exp(-odds)))


FAULTS: Final[dict[str, tuple[Spoil, str]]] = {
    "labels shuffled": (
        lambda t: judged_on(t, DICE.permutation(t.outcome.happened)),
        "skill",
    ),
    "labels turned round": (lambda t: judged_on(t, ~t.outcome.happened), "skill"),
    "labels shuffled in what will serve": (relabelled, "twins"),
    "the answers known": (
        lambda t: saying(t, lambda _: np.where(t.outcome.happened, 0.99, 0.01)),
        "skill",
    ),
    "the opposite said": (lambda t: saying(t, lambda said: 1 - said), "skill"),
    "the same said of all": (
        lambda t: saying(t, lambda said: np.full_like(said, said.mean())),
        "probabilities",
    ),
    "no number said": (lambda t: saying(t, lambda said: said * np.nan), "probabilities"),
    "more than certain": (lambda t: saying(t, lambda said: said * 3), "probabilities"),
    "too sure": (lambda t: saying(t, lambda said: odds_times(said, 4.0)), "calibration"),
    "not sure enough": (
        lambda t: saying(t, lambda said: odds_times(said, 0.2)),
        "calibration",
    ),
    "half of what comes": (lambda t: saying(t, lambda said: said / 2), "calibration"),
    "a feed that ended": (lambda t: with_feature(t, 0.0), "features"),
    "a feature that is no number": (lambda t: with_feature(t, np.nan), "features"),
    "labels of held-out time": (
        lambda t: replace(t, cutoff=t.cutoff - timedelta(days=28)),
        "leak",
    ),
    "another horizon": (
        lambda t: replace(t, final=with_manifest(t.final, horizon_days=90)),
        "twins",
    ),
    "nearly everybody churned": (
        lambda t: judged_on(t, DICE.random(len(t.outcome.happened)) < 0.97),
        "base rate",
    ),
}


def failed(trial: Trial, champion: str | None = None) -> set[str]:
    return {one.name for one in decide(trial, champion).checks if not one.passed}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_a_spoilt_churn_model_is_refused(honest: Trial, fault: str) -> None:
    spoil, check = FAULTS[fault]
    verdict = decide(spoil(honest), None)
    assert not verdict.passed
    assert check in {one.name for one in verdict.checks if not one.passed}


def test_a_churn_model_that_knows_more_is_let_through(honest: Trial) -> None:
    assert failed(honest) == set()
    assert failed(honest, "churn/1") == set()
    assert decide(honest, "churn/1").against == "churn/1"


def test_one_that_knows_no_more_is_not(honest: Trial) -> None:
    name = honest.judged.manifest.algorithm
    same = {**honest.outcome.said, CHAMPION: honest.outcome.said[name]}
    trial = replace(honest, outcome=replace(honest.outcome, said=same))
    assert failed(trial, "churn/1") == {"better"}
