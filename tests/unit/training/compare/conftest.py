from __future__ import annotations

from pathlib import Path

import pytest

from tests.shop import make_shop
from tests.unit.training.home import clock_of, fill, settings_at
from training import bootstrap
from training.settings import TrainingSettings


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    """Recommenders 1 and 2, the second fitted with 20 more days of history."""
    shop = make_shop(40, days=120)
    home: Path = tmp_path_factory.mktemp("compared") / "home"
    fill(home, shop)
    for days in (50, 30):
        settings = settings_at(home).model_copy(update={"holdout_days": days})
        bootstrap.train(settings, clock=clock_of(shop))
    return settings_at(home)
