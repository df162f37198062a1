"""The adapters on SQLite keep the promises of the ports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.profile import History, Published
from features.profile_codec import encode
from features.stores.opening import Stores, open_log, open_stores
from features.stores.ports import Asked, EventLog, Seen
from tests.unit.features.stores.alias_suite import AliasSuite
from tests.unit.features.stores.catalogue_suite import CatalogueSuite
from tests.unit.features.stores.log_suite import AT, EventLogSuite, TrimmingSuite
from tests.unit.features.stores.profile_suite import (
    ADA,
    BOB,
    LookupSuite,
    PinsSuite,
    ProfileStoreSuite,
    Wait,
)

HISTORY = History(bought={"tea": 1})


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


class TestSqliteAliases(AliasSuite):
    pass


class TestSqlitePins(PinsSuite):
    pass


class TestSqliteLookup(LookupSuite):
    pass


class TestSqliteCatalogue(CatalogueSuite):
    pass


class TestSqliteLog(EventLogSuite, TrimmingSuite):
    pass


def test_a_look_sees_what_another_process_wrote(stores: Stores, tmp_path: Path) -> None:
    asked = [Asked(ADA, "mail")]
    assert stores.lookup.look(asked) == [Seen(None, None, {})]
    script = (
        "import sys\n"
        "from features.profile import Profile\n"
        "from features.stores.opening import open_stores\n"
        "stores = open_stores(sys.argv[1])\n"
        "stores.profiles.put_many([Profile(sys.argv[2])])\n"
        "stores.pins.pin(sys.argv[2], 'mail', 'hero', b'slate', 600)\n"
    )
    url = f"sqlite:///{tmp_path / 'profiles.db'}"
    # The clock of the tests stands in the past: the pin has not expired for it.
    subprocess.run([sys.executable, "-c", script, url, ADA], check=True)  # noqa: S603
    seen = Seen(encode(History()), encode(Published()), {"hero": b"slate"})
    assert stores.lookup.look(asked) == [seen]
    assert stores.lookup.look([Asked(BOB, None), *asked])[1] == seen


def test_pins_that_cannot_be_read_hide_no_profile(tmp_path: Path) -> None:
    (tmp_path / "shop.pins.db").mkdir()
    opened = open_stores(f"sqlite:///{tmp_path}/shop.db")
    opened.profiles.fold({ADA: HISTORY})
    history = encode(HISTORY)
    asked = [Asked(ADA, "mail"), Asked(ADA, None)]
    assert opened.lookup.look(asked[:1]) == [Seen(history, None, None)]
    assert opened.lookup.look(asked) == [Seen(history, None, None), Seen(history, None, {})]
    opened.close()


def test_many_are_looked_up_however_many_they_are(tmp_path: Path) -> None:
    opened = open_stores(f"sqlite:///{tmp_path}/shop.db")
    names = [f"ck_{number:032x}" for number in range(150)]
    opened.profiles.fold(dict.fromkeys(names[::2], HISTORY))
    for count in (2, 3, 33, 64, 65, 150):
        seen = opened.lookup.look([Asked(name, None) for name in names[:count]])
        known = [one.history is not None for one in seen]
        assert known == [number % 2 == 0 for number in range(count)]
    opened.close()


@pytest.mark.parametrize(("file", "page_bytes"), [("shop.db", 8_192), ("shop.pins.db", 4_096)])
def test_a_new_file_has_pages_of_the_size_of_what_it_keeps(
    tmp_path: Path, file: str, page_bytes: int
) -> None:
    opened = open_stores(f"sqlite:///{tmp_path}/shop.db")
    opened.profiles.fold({ADA: HISTORY})
    opened.pins.pin(ADA, "mail", "hero", b"slate", 600)
    opened.close()
    # The database's header says it (SQLite's file format, 1.3).
    assert int.from_bytes((tmp_path / file).read_bytes()[16:18], "big") == page_bytes
