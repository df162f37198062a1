"""A home with a small shop in it: what job tests start from."""

from __future__ import annotations

import tempfile
from datetime import timedelta
from functools import cache
from pathlib import Path

from features import columns as c
from features.clock import FixedClock
from features.lake import Lake
from features.stores.opening import Stores, open_stores
from features.tables import event_table, item_table
from tests.shop import Shop
from training.register import CHAMPION
from training.settings import TrainingSettings
from training.tracking import Tracking

HOLDOUT_DAYS = 56


def settings_at(home: Path) -> TrainingSettings:
    """Settings that a small shop can be trained with."""
    return TrainingSettings(home=home, holdout_days=HOLDOUT_DAYS, publish_batch=16)


def clock_of(shop: Shop) -> FixedClock:
    """Just after the shop's history."""
    return FixedClock(shop.end + timedelta(hours=1))


def stores_of(home: Path) -> Stores:
    """The embedded stores of a home."""
    return open_stores(settings_at(home).resolved_store_url())


@cache
def registry() -> bytes:
    """MLflow's database with nothing in it: its tables take seconds to make, and are copied."""
    with tempfile.TemporaryDirectory() as folder:
        Tracking(f"sqlite:///{folder}/mlflow.db", Path(folder)).alias("none", CHAMPION)
        return Path(folder, "mlflow.db").read_bytes()


def fill(home: Path, shop: Shop) -> TrainingSettings:
    """Put the shop's history into the lake, the profiles and the catalogue of a home."""
    settings = settings_at(home)
    home.mkdir(parents=True, exist_ok=True)
    (home / "mlflow.db").write_bytes(registry())
    lake = Lake(settings.resolved_lake_path())
    events = event_table(shop.events).sort_by(c.DATE)
    lake.create_events(events.to_reader(), events.num_rows)
    lake.merge_items(item_table(shop.items))
    stores = stores_of(home)
    stores.catalogue.put_many(shop.items)
    stores.profiles.put_many(shop.profiles())
    stores.close()
    return settings
