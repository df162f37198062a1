"""The short form of `make soak`: a few hundred fetches under each fault, every answer judged.

docs/reliability.md says what is judged; the long form is `tests/faults/soak.py`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.faults import breaking
from tests.faults.proxy import Kind
from tests.faults.stack import Stack, running_stack
from tests.faults.tally import GRACE
from tests.faults.trial import EITHER, FALLEN, Pace, Row, Trial, run_trial

PACE = Pace(rate=150, fetches=250, before=40, own_deadline_ms=50)
THREADS = 48
"""More than the scorer has when it is well, and fewer than the fetches that wait under a fault."""
FEW = 0.03
"""The part of all answers that other tests on the same machine may hinder."""

STORE = (
    Trial("refuse", breaking.of_store(Kind.REFUSE), FALLEN),
    Trial("hang", breaking.of_store(Kind.HANG), FALLEN),
    Trial("slow", breaking.of_store(Kind.SLOW, 300), EITHER),
    Trial("cut", breaking.of_store(Kind.CUT), EITHER),
    Trial("garbage", breaking.of_store(Kind.GARBAGE), FALLEN),
    Trial("drip", breaking.of_store(Kind.DRIP, 3), EITHER),
    Trial("stopped", breaking.redis_stopped, FALLEN),
)
REGISTRY = (
    Trial("registry hangs", breaking.of_registry(Kind.HANG)),
    Trial("registry cut", breaking.of_registry(Kind.CUT)),
    Trial("reload", breaking.reloading),
)
DISK = (
    Trial("held", breaking.sqlite_held("recovering", "profiles.db", "profiles.pins.db"), FALLEN),
    Trial("full", breaking.no_file_grows, EITHER),
)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with running_stack(tmp_path_factory.mktemp("home"), redis=True, registry=True) as made:
        yield made


def judge(row: Row) -> None:
    """Nothing was wrong, but for a few answers where the machine had no core for the scorer."""
    wrong = dict(row.wrong)
    if row.waited > GRACE:
        hindered = wrong.pop("late", 0) + wrong.pop("rung popular", 0)
        assert hindered <= FEW * row.tally.answered
    assert wrong == {}, row.tally.examples
    assert row.tally.lost == row.tally.refused == 0
    assert row.threads <= THREADS


@pytest.mark.parametrize("trial", [*STORE, *REGISTRY], ids=lambda trial: trial.name)
def test_a_fault_costs_a_rung_at_most_and_never_an_answer(stack: Stack, trial: Trial) -> None:
    judge(asyncio.run(run_trial(stack, trial, PACE)))


def test_a_stalled_or_full_disk_costs_a_rung_and_no_answer(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    with running_stack(tmp_path_factory.mktemp("home")) as stack:
        for trial in DISK:
            judge(asyncio.run(run_trial(stack, trial, PACE)))
