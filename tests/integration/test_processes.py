"""Several processes write one store at once and nothing of any is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from features.profile import History, Published
from features.stores.opening import open_stores
from tests.integration.neighbours import ROUNDS, SHARED, folded
from tests.services import redis_server

TOP = Path(__file__).parents[2]
PROCESSES = 4


@pytest.fixture(params=["sqlite", "redis"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'profiles.db'}"
        return
    with redis_server() as url:
        yield url


def run_neighbours(url: str) -> list[str]:
    """What each process saw pinned at its end."""
    command = [sys.executable, "-m", "tests.integration.neighbours", url]
    running = [
        subprocess.Popen(  # noqa: S603 - ours
            [*command, str(number)],
            cwd=TOP,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    for process in running:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    outputs = [process.communicate() for process in running]
    assert [process.returncode for process in running] == [0] * PROCESSES, outputs
    return [output for output, _ in outputs]


def test_neighbours_lose_nothing_of_each_other(url: str) -> None:
    seen = run_neighbours(url)
    stores = open_stores(url)
    everything = History()
    for number in range(PROCESSES):
        for step in range(ROUNDS):
            everything = everything.join(folded(number, step))
    found = stores.profiles.get_many(SHARED)
    assert [found[key].history for key in SHARED] == [everything] * len(SHARED)
    assert found[SHARED[0]].published == Published(at=ROUNDS - 1)
    assert stores.profiles.count() == len(SHARED) + 500 * PROCESSES
    assert stores.catalogue.count() == PROCESSES * ROUNDS
    assert len(stores.catalogue.overrides().overrides) == PROCESSES * ROUNDS
    if url.startswith("sqlite:"):  # Redis counts from anywhere
        assert stores.catalogue.version() == PROCESSES * ROUNDS
        assert stores.catalogue.overrides_version() == PROCESSES * ROUNDS
    assert sorted(stores.pins.of_send(SHARED[1], "mail")) == seen[0].split()
    assert len(set(seen)) == 1
    stores.close()
