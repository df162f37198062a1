"""The short form of what `make soak` does to events; docs/reliability.md says what is judged."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from tests.faults.intake.cuts import Cuts
from tests.faults.intake.killing import Pace, run_kills
from tests.faults.intake.storm import run_storm
from tests.faults.intake.victims import BROKERS

PACE = Pace(kills=8, life=0.8, rate=40)


@pytest.mark.parametrize("log", BROKERS)
def test_whoever_is_killed_nothing_acknowledged_is_lost_or_doubled(
    log: str, tmp_path: Path
) -> None:
    killed = run_kills(log, tmp_path, PACE)
    assert killed.kills.total() == PACE.kills
    assert killed.kills.keys() >= {"intake", "ingest"}
    assert ("broker" in killed.kills) == (BROKERS[log] is not None)
    assert killed.events > 40
    assert not killed.wrong, killed.wrong


def test_a_storm_of_duplicates_changes_nothing(tmp_path: Path) -> None:
    stormed = run_storm(tmp_path, events=100)
    assert stormed.sent > 10 * stormed.events
    assert not stormed.wrong, stormed.wrong


def test_what_was_acknowledged_outlives_a_power_cut(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.faults.intake.cuts", str(tmp_path), "16", "8"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, timeout=60)  # noqa: S603 - ours
    cuts = msgspec.json.decode(done.stdout, type=Cuts)
    assert cuts.cuts == 8
    assert cuts.acknowledged > 100
    assert cuts.spoilt == cuts.missing == cuts.wrong == 0
