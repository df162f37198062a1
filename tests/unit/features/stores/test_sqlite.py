"""The adapters on SQLite keep the promises of the ports."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.stores.opening import Stores, open_log, open_stores
from features.stores.ports import EventLog
from tests.unit.features.stores.catalogue_suite import CatalogueSuite
from tests.unit.features.stores.log_suite import AT, EventLogSuite
from tests.unit.features.stores.profile_suite import PinsSuite, ProfileStoreSuite, Wait


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.fromtimestamp(AT, UTC))


@pytest.fixture
def wait(clock: FixedClock) -> Wait:
    return lambda seconds: clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def stores(tmp_path: Path, clock: FixedClock) -> Iterator[Stores]:
    stores = open_stores(f"sqlite:///{tmp_path / 'profiles.db'}", clock)
    yield stores
    stores.close()


@pytest.fixture
def log(tmp_path: Path, clock: FixedClock) -> Iterator[EventLog]:
    log = open_log(f"sqlite:///{tmp_path / 'events.db'}", clock)
    yield log
    log.close()


class TestSqliteProfiles(ProfileStoreSuite):
    pass


class TestSqlitePins(PinsSuite):
    pass


class TestSqliteCatalogue(CatalogueSuite):
    pass


class TestSqliteLog(EventLogSuite):
    pass
