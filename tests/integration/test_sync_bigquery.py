"""`homing sync ga4-bigquery`, and other queries, against a small BigQuery on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.clock import FixedClock, SystemClock
from features.errors import SettingsError, Unavailable
from features.identity import CustomerKeys
from features.progress import silent
from homing.sync.command import SyncReport, sync
from homing.sync.settings import SyncSettings
from tests.pulled import events
from tests.unit.features.imported import bytes_below

pytest.importorskip("dlt", reason="dlt is not installed: pip install 'homing[sync]'")
pytest.importorskip(
    "sqlalchemy_bigquery", reason="BigQuery's driver is missing: pip install 'homing[bigquery]'"
)
from tests.bigquery import BigQuery, bigquery_server

SECRET = "s" * 32
NOW = datetime(2026, 3, 1, tzinfo=UTC)
TABLE = """
CREATE TABLE shop.analytics_1."events_*" (
    _TABLE_SUFFIX VARCHAR, event_name VARCHAR, event_timestamp BIGINT, user_id VARCHAR,
    user_pseudo_id VARCHAR, event_bundle_sequence_id BIGINT, batch_page_id BIGINT,
    batch_ordering_id BIGINT, batch_event_index BIGINT,
    event_params STRUCT("key" VARCHAR, "value" STRUCT(string_value VARCHAR, int_value BIGINT))[],
    items STRUCT(item_id VARCHAR, item_name VARCHAR, item_brand VARCHAR, item_category VARCHAR,
        price DOUBLE, quantity BIGINT, item_revenue DOUBLE, item_refund DOUBLE)[])
"""
PUT = """
INSERT INTO shop.analytics_1."events_*" VALUES (?, ?, ?, ?, 'cookie.77', 1, 1, 1, ?,
    [{'key': 'page', 'value': {'string_value': '/', 'int_value': NULL}},
     {'key': 'currency', 'value': {'string_value': 'EUR', 'int_value': NULL}}],
    [{'item_id': 'lamp', 'item_name': 'Lamp', 'item_brand': 'B', 'item_category': 'C',
      'price': 2.5, 'quantity': NULL, 'item_revenue': NULL, 'item_refund': 2.0},
     {'item_id': ?, 'item_name': 'Hat', 'item_brand': NULL, 'item_category': NULL,
      'price': 4.0, 'quantity': 3, 'item_revenue': 11.0, 'item_refund': NULL}])
"""


@pytest.fixture
def bigquery(monkeypatch: pytest.MonkeyPatch) -> Iterator[BigQuery]:
    with bigquery_server() as served:
        served.con.execute(TABLE)
        monkeypatch.setenv("BIGQUERY_EMULATOR_HOST", served.url)
        # Google's library asks Google besides, where an account may be used: it gets no further.
        monkeypatch.setenv("HTTPS_PROXY", served.url)
        yield served


def put(
    bigquery: BigQuery,
    at: datetime,
    name: str = "purchase",
    *,
    user: str | None = "ann@example.com",
    suffix: str = "",
    item: str = "hat",
) -> None:
    """An event of two items, in the table of its day."""
    micros = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    row = [suffix or f"{at:%Y%m%d}", name, micros, user, at.minute, item]
    bigquery.con.execute(PUT, row)


def ask(home: Path, bigquery: BigQuery, name: str = "ga4-bigquery") -> SyncReport:
    settings = SyncSettings(home=home, secret=SECRET, syncs_folder=home)
    prefix = f"HOMING_SYNC_{name.upper().replace('-', '_')}"
    environ = {
        f"{prefix}_URL": f"bigquery://shop?credentials_path={bigquery.key(home)}",
        f"{prefix}_DATASET": "shop.analytics_1",
    }
    return sync(settings, name, environ, FixedClock(NOW), silent)


def test_items_of_the_export_become_events_and_new_days_alone_are_fetched(
    tmp_path: Path, bigquery: BigQuery
) -> None:
    day = datetime(2026, 1, 5, 10, tzinfo=UTC)
    put(bigquery, day)
    put(bigquery, day + timedelta(minutes=1), "view_item")
    put(bigquery, day + timedelta(minutes=2), "refund", item="(not set)")
    put(bigquery, day + timedelta(minutes=3), user=None)
    put(bigquery, day + timedelta(minutes=4), "scroll")
    put(bigquery, day + timedelta(minutes=5), suffix="intraday_20260105")
    report = ask(tmp_path, bigquery)
    assert (report.records, dict(report.letters)) == (6, {"an item has an id": 1})
    found = events(tmp_path)
    said = [(one["type"], one["item"], one["quantity"], one["value"]) for one in found]
    assert sorted(said) == [
        ("purchase", "hat", 3.0, 11.0),
        ("purchase", "lamp", 1.0, 2.5),
        ("return", "lamp", 1.0, 2.0),
        ("view", "hat", 3.0, 11.0),
        ("view", "lamp", 1.0, 2.5),
    ]
    assert {one["currency"] for one in found} == {"EUR"}
    assert {one["customer"] for one in found} == {
        CustomerKeys(SECRET.encode()).resolve("ann@example.com")
    }
    assert found[0]["occurred_at"] == day

    assert ask(tmp_path, bigquery).landed is None
    put(bigquery, day + timedelta(days=1))
    again = ask(tmp_path, bigquery)
    assert again.landed is not None
    assert (again.landed.inserted, len(events(tmp_path))) == (2, 7)
    began = [given["cursor"] for _, given in bigquery.asked]
    assert began == sorted(began)
    assert began[-1] > began[0]
    written = bytes_below(tmp_path)
    assert b"ann@example" not in written
    assert b"cookie.77" not in written


def test_a_day_that_may_still_change_is_not_fetched(tmp_path: Path, bigquery: BigQuery) -> None:
    today = SystemClock().now()
    put(bigquery, today - timedelta(days=6), item="old")
    put(bigquery, today - timedelta(days=2), item="new")
    assert ask(tmp_path, bigquery).records == 2


NESTED = """
name = "nested"
[sql]
query = "SELECT event_timestamp, user_id, event_params, items FROM `{DATASET}.events_*`"
chunk = 2
[cursor]
field = "event_timestamp"
pages = 1
[rows]
each = "items"
customer = "$.user_id"
numbers = ["at"]

[rows.columns]
at = "$.event_timestamp"
on = "$.event_timestamp"
first = "$.event_params[0].key"
item = "item_id"

[event]
customer = "customer"
type = "view"
time = { column = "at", unit = "us" }
item = "item"
send = "first"
id = ["on", "item"]
"""


def test_nested_and_repeated_columns_are_records_in_any_order_of_the_query(
    tmp_path: Path, bigquery: BigQuery
) -> None:
    (tmp_path / "nested.toml").write_text(NESTED)
    day = datetime(2026, 1, 5, 10, tzinfo=UTC)
    for minute in (7, 3, 5, 1):
        put(bigquery, day + timedelta(minutes=minute))
    bigquery.answers = [503]  # what fails for a while is asked again
    report = ask(tmp_path, bigquery, "nested")
    assert (report.records, report.rows, len(events(tmp_path))) == (4, 8, 8)
    assert {one["send"] for one in events(tmp_path)} == {"page"}
    assert len(bigquery.asked) > 2


def test_a_query_that_fails_is_told(tmp_path: Path, bigquery: BigQuery) -> None:
    bigquery.answers = [400]
    with pytest.raises(Unavailable, match="could not be fetched"):
        ask(tmp_path, bigquery)


@pytest.mark.parametrize("key", [None, "{}", "no JSON"])
def test_credentials_that_are_none_are_told_without_showing_them(
    tmp_path: Path, key: str | None
) -> None:
    path = tmp_path / "key.json"
    if key is not None:
        path.write_text(key)
    settings = SyncSettings(home=tmp_path, secret=SECRET)
    environ = {
        "HOMING_SYNC_GA4_BIGQUERY_URL": f"bigquery://shop?credentials_path={path}",
        "HOMING_SYNC_GA4_BIGQUERY_DATASET": "shop.analytics_1",
    }
    with pytest.raises(SettingsError, match="see to the credentials"):
        sync(settings, "ga4-bigquery", environ, FixedClock(NOW), silent)
