"""Tunes several algorithms on one ground, each with the same budget."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from features.progress import Advance
from training.recommenders.recipe import Recipe
from training.tuning.bench import Bench, Budget
from training.tuning.found import Found
from training.tuning.ground import Ground
from training.tuning.notes import Notes, open_folder
from training.tuning.runs import Label, TrialRuns
from training.tuning.search import Search
from training.tuning.space import Space

BATCH: Final = 20
"""Trials that are logged at once."""


def tune(
    ground: Ground, starts: Mapping[str, Sequence[Recipe]], bench: Bench, advance: Advance
) -> dict[str, Found]:
    """The best recipe of each algorithm that its share of the budget finds.

    Interrupted, the same call goes on where it was: seconds and trials of earlier sittings count,
    and nothing is tried twice. Other data, customers or code make it start anew.

    Args:
        ground: Where recipes are scored.
        starts: Algorithm → recipes that are tried first, its default before all others. Without
            any, nothing is tuned.
        bench: What to work with.
        advance: Told of the seconds that are spent, and of all.

    Raises:
        StoreUnavailable: Notes can't be kept.
        RegistryUnavailable: MLflow does not answer.
    """
    if not starts:
        return {}
    folder = open_folder(bench.home, ground.digest)
    share = replace(bench.budget, seconds=bench.budget.seconds / len(starts))
    found: dict[str, Found] = {}
    for place, (algorithm, recipes) in enumerate(starts.items()):
        space = Space.of(algorithm, ground.dataset)
        notes = Notes(folder / f"{algorithm}-{space.digest}.jsonl")
        search = Search(space, ground, recipes, notes)
        runs = _runs(bench, space, ground)
        for spent in _sitting(search, notes, share, runs):
            advance(int(place * share.seconds + spent), int(bench.budget.seconds))
        found[algorithm] = search.found()
        if runs is not None:
            runs.close(found[algorithm], space.told(found[algorithm].recipe))
    return found


def _sitting(
    search: Search, notes: Notes, budget: Budget, runs: TrialRuns | None
) -> Iterator[float]:
    """Try until the budget is spent; the seconds that are, after each trial."""
    for _ in search.trials(budget):
        yield min(budget.seconds, sum(one.seconds for one in notes.trials))
        if runs is not None and len(notes.trials) % BATCH == 0:
            runs.log(notes.trials)
    if runs is not None:
        runs.log(notes.trials)


def _runs(bench: Bench, space: Space, ground: Ground) -> TrialRuns | None:
    if bench.tracking is None:
        return None
    label = Label(
        study=f"{space.algorithm} {space.digest} {ground.digest}",
        algorithm=space.algorithm,
        metric=f"validation/{ground.block.name}/{ground.metric}",
        tags=bench.tags,
    )
    return TrialRuns(bench.tracking, label, bench.clock)
