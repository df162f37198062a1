"""Killed at any line, the loop loses nothing and doubles nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from deltalake import DeltaTable

from features.event import Event
from features.ingest import histories
from features.lake import Lake
from features.profile import Profile
from features.stores.opening import open_log, open_stores
from features.tables import event_table
from tests.integration.crashes import BATCH, ELSEWHERE, MOMENTS, event

TOP = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What is left after many deaths."""
    folder = tmp_path_factory.mktemp("killed")
    program = [sys.executable, "-m", "tests.integration.crashes", str(folder)]
    done = subprocess.run(program, cwd=TOP, capture_output=True, check=False)  # noqa: S603 - ours
    assert done.returncode == 0, done.stderr.decode()[-2_000:]
    (folder / "report.json").write_bytes(done.stdout)
    return folder


@pytest.fixture(scope="module")
def report(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "report.json").read_text())
    return found


@pytest.fixture(scope="module")
def truth(report: dict[str, int]) -> list[Event]:
    return [event(number) for number in range(BATCH * report["batches"])]


def test_the_loop_died_at_each_of_its_lines(report: dict[str, int]) -> None:
    assert report["loop_lines"] > 30
    assert report["loop"] == report["loop_lines"]
    assert report["elsewhere"] > ELSEWHERE // 2
    assert report["moment"] > MOMENTS // 2
    assert report["writer"] > 5


def test_every_profile_is_the_fold_of_all_events(folder: Path, truth: list[Event]) -> None:
    stores = open_stores(f"sqlite:///{folder / 'profiles.db'}")
    found = stores.profiles.get_many(stores.profiles.customers())
    stores.close()
    assert found == {key: Profile(key, history) for key, history in histories(truth).items()}


def test_the_lake_has_every_event_once(folder: Path, truth: list[Event]) -> None:
    found = DeltaTable(Lake(str(folder / "lake")).path("events")).to_pyarrow_table()
    expected = event_table(truth)
    assert found.num_rows == expected.num_rows
    assert found.select(expected.column_names).sort_by("id") == expected.sort_by("id")


def test_every_poison_is_buried_once_and_the_log_is_empty(
    folder: Path, report: dict[str, int]
) -> None:
    with closing(open_log(f"sqlite:///{folder / 'events.db'}")) as log:
        letters = log.dead_letters(limit=1_000)
        assert (log.depth("profiles"), log.depth("lake"), log.take("new", 1)) == (0, 0, [])
    poison = [b"poison %d" % batch for batch in range(report["batches"])]
    assert [letter.body for letter in letters] == poison
