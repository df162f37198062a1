"""The adapters in memory keep the promises of the ports."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from features.clock import FixedClock
from features.stores.opening import Stores, open_log, open_stores
from features.stores.ports import EventLog
from tests.unit.features.stores.alias_suite import AliasSuite
from tests.unit.features.stores.catalogue_suite import CatalogueSuite
from tests.unit.features.stores.log_suite import AT, EventLogSuite, TrimmingSuite
from tests.unit.features.stores.profile_suite import LookupSuite, PinsSuite, ProfileStoreSuite, Wait


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(datetime.fromtimestamp(AT, UTC))


@pytest.fixture
def wait(clock: FixedClock) -> Wait:
    return lambda seconds: clock.advance(timedelta(seconds=seconds))


@pytest.fixture
def stores(clock: FixedClock) -> Stores:
    return open_stores("memory://", clock)


@pytest.fixture
def log(clock: FixedClock) -> EventLog:
    return open_log("memory://", clock)


class TestMemoryProfiles(ProfileStoreSuite):
    pass


class TestMemoryAliases(AliasSuite):
    pass


class TestMemoryPins(PinsSuite):
    pass


class TestMemoryLookup(LookupSuite):
    pass


class TestMemoryCatalogue(CatalogueSuite):
    pass


class TestMemoryLog(EventLogSuite, TrimmingSuite):
    pass


def test_each_opening_begins_empty() -> None:
    one = open_log("memory://")
    one.append([b"1"])
    assert open_log("memory://").depth("reader") == 0
