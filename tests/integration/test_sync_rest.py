"""`homing sync` of a REST API, over real HTTP, into a real lake."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from features.clock import FixedClock
from features.errors import AlreadyRunning, ImportDiffers, SettingsError, Unavailable
from features.progress import silent
from features.stores.codec import decode_event
from features.stores.opening import open_log, open_stores
from homing.sync.command import SyncReport, sync, sync_lines
from homing.sync.settings import SyncSettings
from tests.pulled import Shop, events, order, shop_server
from training.lock import only_one

pytest.importorskip("dlt", reason="dlt is not installed: pip install 'homing[sync]'")

NOW = datetime(2026, 3, 1, tzinfo=UTC)
FILE = """
name = "shop"

[rest]
url = "{URL}"
path = "orders"
params = { since = "{cursor}" }
records = "data"
pages = { type = "cursor", cursor_path = "paging.next", cursor_param = "after" }

[cursor]
field = "updated_at"
first = "2025-01-01T00:00:00Z"
ordered = true
pages = 1

[rows]
each = "lines"
customer = "$.customer.id"
email = "$.customer.email"
numbers = ["price", "pieces"]

[rows.columns]
order_id = "$.id"
line = "no"
at = "$.created_at"
sku = "sku"
price = "price"
pieces = "pieces"
currency = "$.currency"

[event]
customer = "customer"
type = "purchase"
time = "at"
item = "sku"
quantity = "pieces"
value = { product = ["price", "pieces"] }
currency = "currency"
id = ["order_id", "line"]

[[event.reject]]
reason = "a gift"
when = { column = "sku", equals = "gift" }

[[contract]]
rule = "nothing costs a thousand"
broken = { column = "price", at_least = 1000 }

[items]
id = "sku"
title = "sku"
price = "price"
currency = "currency"
"""
LIST = """
[rest.auth]
type = "%s"
url = "{URL}/token"
scope = "orders.read"
"""

Run = Callable[..., SyncReport]


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    with shop_server() as served:
        monkeypatch.setenv("HOMING_SYNC_SHOP_URL", served.url)
        yield served


@pytest.fixture
def run(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Syncs the shop as a file says; gives the report."""
    assert shop.url
    monkeypatch.setattr("homing.patience.FIRST_WAIT", 0.01)
    clock = FixedClock(NOW)

    def call(text: str = FILE, **environ: str) -> SyncReport:
        settings = _settings(tmp_path, text)
        return sync(settings, "shop", {**os.environ, **environ}, clock, silent)

    return call


def _settings(home: Path, text: str) -> SyncSettings:
    (home / "syncs").mkdir(exist_ok=True)
    (home / "syncs" / "shop.toml").write_text(text)
    return SyncSettings(home=home, secret="s" * 32, syncs_folder=home / "syncs")


def letters(home: Path) -> list[tuple[str, Any]]:
    log = open_log(f"sqlite:///{home / 'events.db'}", FixedClock(NOW))
    buried = log.dead_letters()
    assert {letter.source for letter in buried} == {"sync:shop"}
    found = [(letter.reason, decode_event(letter.body)) for letter in buried]
    log.close()
    return found


def test_orders_become_events_profiles_and_items(tmp_path: Path, shop: Shop, run: Run) -> None:
    shop.orders = [order(number) for number in range(7)]
    report = run()
    assert (report.records, report.rows) == (7, 14)
    assert report.landed is not None
    landed = report.landed
    assert (landed.accepted, landed.inserted, landed.customers, landed.items) == (14, 14, 3, 2)
    found = events(tmp_path)
    assert [one["id"] for one in found[:3]] == ["shop:0:1", "shop:0:2", "shop:1:1"]
    assert (found[1]["item"], found[1]["quantity"], found[1]["value"]) == ("hat", 2.0, 19.0)
    key = _settings(tmp_path, FILE).customer_keys().resolve("100")
    assert found[0]["customer"] == key
    stores = open_stores(f"sqlite:///{tmp_path / 'profiles.db'}")
    profile = stores.profiles.get(key)
    assert profile is not None
    assert len(profile.history.interactions) == 6
    assert stores.catalogue.get_many(["hat"])["hat"].price == 9.5
    stores.close()
    assert any("source and lake agree" in line for line in sync_lines(report))


def test_what_was_fetched_is_not_asked_for_again(tmp_path: Path, shop: Shop, run: Run) -> None:
    shop.orders = [order(number) for number in range(7)]
    run()
    shop.asked.clear()
    again = run()
    assert (again.records, again.landed) == (0, None)
    assert {query["since"] for query in shop.asked} == {"2026-01-01T10:06:00Z"}
    shop.orders += [order(7), order(8)]
    more = run()
    assert more.landed is not None
    assert (more.records, more.landed.inserted) == (2, 4)
    assert len(events(tmp_path)) == 18


def test_a_failed_fetch_keeps_what_came_and_goes_on_there(
    tmp_path: Path, shop: Shop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("homing.sync.rest.ATTEMPTS", 2)
    shop.orders = [order(number) for number in range(9)]
    run(FILE.replace("pages = 1", "pages = 2"))  # so that the folders are there
    shop.orders += [order(number) for number in range(9, 21)]
    shop.answers = [(200, {}), *[(503, {})] * 2]
    with pytest.raises(Unavailable, match="goes on there"):
        run()
    shop.answers = []
    assert run().records == 12
    assert len(events(tmp_path)) == 42


def test_a_busy_server_is_asked_again_and_not_too_early(shop: Shop, run: Run) -> None:
    shop.orders = [order(1)]
    shop.answers = [(429, {"Retry-After": "1"}), (500, {}), (503, {"Retry-After": "nonsense"})]
    began = time.monotonic()
    assert run().records == 1
    assert time.monotonic() - began >= 1


def test_a_changed_order_becomes_a_letter_and_the_lake_stays(
    tmp_path: Path, shop: Shop, run: Run
) -> None:
    shop.orders = [order(1)]
    run()
    changed = order(1, updated_at="2026-01-01T11:00:00Z")
    changed["lines"][0]["price"] = 99
    shop.orders = [changed, order(2, updated_at="2026-01-01T12:00:00Z")]
    report = run()
    assert report.landed is not None
    assert (report.landed.inserted, report.landed.already_there) == (2, 1)
    assert report.letters == {"the lake has it with other content under the same id": 1}
    assert events(tmp_path)[0]["value"] == 6.0
    ((reason, letter),) = letters(tmp_path)
    assert "other content" in reason
    assert (letter.id, letter.value) == ("shop:1:1", 99.0)


def test_what_breaks_the_contract_becomes_a_letter_under_the_rules_name(
    tmp_path: Path, shop: Shop, run: Run
) -> None:
    shop.orders = [
        order(1, lines=[{"no": 1, "sku": "ship", "pieces": 1, "price": 1000}]),
        order(2, lines=[{"no": 1, "sku": "gift", "pieces": 1, "price": 1}]),
        order(3, lines=[{"no": 1, "sku": "cup", "pieces": -1, "price": 1}]),
        order(4),
    ]
    report = run()
    assert report.letters == {"nothing costs a thousand": 1, "quantity not positive": 1}
    assert report.landed is not None
    assert report.landed.rejected == {**report.letters, "a gift": 1}
    assert sorted(letter.item for _, letter in letters(tmp_path)) == ["cup", "ship"]
    assert len(events(tmp_path)) == 2


def test_no_outside_id_and_no_secret_is_ever_written(tmp_path: Path, shop: Shop, run: Run) -> None:
    text = FILE + LIST % "client_credentials"
    people = [{"id": f"outsider-{n}", "email": f"ann{n}@example.com"} for n in range(4)]
    shop.orders = [order(n, customer=people[n]) for n in range(4)]
    shop.orders.append(order(5, customer={"email": " Ann9@Example.com "}, note="call 555-0100"))
    shop.orders.append(order(6, customer={"id": "outsider-bad"}, lines=[{"no": 1, "price": 2000}]))
    run(text, HOMING_SYNC_SHOP_CLIENT_ID="who", HOMING_SYNC_SHOP_CLIENT_SECRET="a-client-secret")
    key = _settings(tmp_path, FILE).customer_keys().resolve("ann9@example.com")
    assert key in {one["customer"] for one in events(tmp_path)}
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.parent.name != "syncs":
            content = path.read_bytes().lower()
            for word in (b"outsider", b"example.com", b"555-0100", b"a-client-secret", b"token-1"):
                assert word not in content, f"{word!r} in {path}"
    staged = list((tmp_path / "sync" / "shop").rglob("*.parquet"))
    assert staged == []


def test_tokens_are_had_by_client_credentials(shop: Shop, run: Run) -> None:
    shop.orders = [order(1)]
    shop.valid = "none yet"
    secrets = {"HOMING_SYNC_SHOP_CLIENT_ID": "who", "HOMING_SYNC_SHOP_CLIENT_SECRET": "hush"}
    assert run(FILE + LIST % "client_credentials", **secrets).records == 1
    asked = {"client_id": "who", "client_secret": "hush", "scope": "orders.read"}
    assert shop.tokens[0] == {**asked, "grant_type": "client_credentials"}


def test_tokens_are_had_by_a_refresh_token_from_a_mounted_file(
    tmp_path: Path, shop: Shop, run: Run
) -> None:
    shop.orders = [order(1)]
    shop.valid = "none yet"
    (tmp_path / "mounted").write_text("refresh-me\n")
    secrets = {
        "HOMING_SYNC_SHOP_CLIENT_ID": "who",
        "HOMING_SYNC_SHOP_CLIENT_SECRET": "hush",
        "HOMING_SYNC_SHOP_REFRESH_TOKEN_FILE": str(tmp_path / "mounted"),
    }
    assert run(FILE + LIST % "refresh_token", **secrets).records == 1
    assert shop.tokens[0]["grant_type"] == "refresh_token"
    assert shop.tokens[0]["refresh_token"] == "refresh-me"


def test_a_missing_secret_is_named(run: Run) -> None:
    with pytest.raises(SettingsError, match="HOMING_SYNC_SHOP_CLIENT_ID is not set"):
        run(FILE + LIST % "client_credentials")


def test_a_refused_token_is_told_without_the_answer(shop: Shop, run: Run) -> None:
    shop.valid = "another"
    with pytest.raises(Unavailable, match="HTTPError 401"):
        run()
    assert len(shop.asked) == 1


def test_changes_of_the_source_are_reported(shop: Shop, run: Run) -> None:
    shop.orders = [order(1)]
    assert run().changes.appeared == {}
    shop.orders = [order(2, coupon="X", currency=None, customer={"id": "a-1"})]
    report = run()
    assert report.changes.appeared == {"coupon": "text"}
    assert report.changes.changed == {"customer.id": ("number", "text")}
    assert report.changes.empty == ("currency",)
    assert "new field of the source: coupon (text)" in list(sync_lines(report))


def test_lines_of_json_are_records(tmp_path: Path, shop: Shop, run: Run) -> None:
    shop.orders = [order(number) for number in range(5)]
    text = FILE.replace('path = "orders"', 'path = "lines"\nformat = "lines"')
    text = text.replace('records = "data"', "").replace("pages = {", "# pages = {")
    assert run(text).records == 5
    assert len(events(tmp_path)) == 10


def test_rows_that_a_disk_has_lost_are_missed(tmp_path: Path, shop: Shop, run: Run) -> None:
    shop.orders = [order(number) for number in range(4)]
    lake = tmp_path / "lake"
    lake.write_text("in the way")
    with pytest.raises(Exception, match="lake"):
        run()
    lake.unlink()
    staged = sorted((tmp_path / "sync" / "shop" / "staged").rglob("rows/*.parquet"))
    assert len(staged) == 2
    kept = staged[0].read_bytes()
    staged[0].unlink()
    with pytest.raises(ImportDiffers, match="holds"):
        run()
    staged[0].write_bytes(kept)
    assert run().rows == 8
    assert len(events(tmp_path)) == 8


def test_one_sync_of_a_source_at_a_time(tmp_path: Path, shop: Shop, run: Run) -> None:
    assert shop.url
    with (
        only_one(tmp_path / "sync" / "shop", "the sync of shop", FixedClock(NOW)),
        pytest.raises(AlreadyRunning),
    ):
        run()


def test_whoever_is_killed_goes_on_and_nothing_is_doubled(tmp_path: Path, shop: Shop) -> None:
    shop.orders = [order(number) for number in range(30)]
    settings = _settings(tmp_path, FILE)
    environ = {
        **os.environ,
        "HOMING_HOME": str(tmp_path),
        "HOMING_SECRET": "s" * 32,
        "HOMING_SYNCS_FOLDER": str(settings.syncs_folder),
        "HOMING_SYNC_SHOP_URL": shop.url,
    }
    command = [sys.executable, "-m", "homing", "sync", "shop"]
    for asked in (4, 9):
        shop.asked.clear()
        with subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL) as process:  # noqa: S603 - our own
            deadline = time.monotonic() + 60
            while len(shop.asked) < asked and time.monotonic() < deadline:
                time.sleep(0.002)
            process.kill()
    shop.asked.clear()
    report = sync(settings, "shop", environ, FixedClock(NOW), silent)
    assert shop.asked[0]["since"] > "2026-01-01T10:00:00Z"
    assert (report.records, report.rows) == (30, 60)
    assert [one["id"] for one in events(tmp_path)] == sorted(
        f"shop:{number}:{line}" for number in range(30) for line in (1, 2)
    )
