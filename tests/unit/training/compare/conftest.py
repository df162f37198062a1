from __future__ import annotations

from pathlib import Path

import pytest

from tests.shop import make_shop
from tests.unit.training.home import clock_of, fill
from training import bootstrap
from training.settings import TrainingSettings
from training.tracking import Tracking


@pytest.fixture(scope="session")
def two_versions(tmp_path_factory: pytest.TempPathFactory) -> TrainingSettings:
    """Recommenders 1, the champion, and 2, fitted with 20 more days of history."""
    shop = make_shop(40, days=120)
    home: Path = tmp_path_factory.mktemp("compared") / "home"
    settings = fill(home, shop)
    earlier = settings.model_copy(update={"holdout_days": 50})
    bootstrap.train(earlier, clock=clock_of(shop))
    with Tracking(settings.resolved_tracking_url(), settings.artifacts).client() as client:
        client.set_registered_model_alias("recommender", "champion", "1")
    bootstrap.train(settings.model_copy(update={"holdout_days": 30}), clock=clock_of(shop))
    return settings
