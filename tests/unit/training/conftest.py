from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from features.clock import FixedClock
from tests.shop import Shop, make_shop
from tests.unit.training.home import clock_of, fill
from training import bootstrap
from training.reports import RetrainReport
from training.settings import TrainingSettings


@dataclass(frozen=True)
class Retrained:
    """A home whose shop was retrained once; tests that change it take a copy."""

    shop: Shop
    settings: TrainingSettings
    clock: FixedClock
    report: RetrainReport


@pytest.fixture(scope="session")
def retrained(tmp_path_factory: pytest.TempPathFactory) -> Retrained:
    """Train, gate, promote and publish, once for all tests."""
    shop = make_shop(160)
    home: Path = tmp_path_factory.mktemp("retrained") / "home"
    settings = fill(home, shop)
    clock = clock_of(shop)
    return Retrained(shop, settings, clock, bootstrap.retrain(settings, clock=clock))
