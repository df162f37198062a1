"""The sources that are ready, against a server that answers as their vendors document it."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlsplit

import pytest

from features.clock import FixedClock
from features.progress import silent
from homing.sync.command import READY, SyncReport, sync
from homing.sync.settings import SyncSettings
from tests.listening import listening
from tests.pulled import events

pytest.importorskip("dlt", reason="dlt is not installed: pip install 'homing[sync]'")

NOW = datetime(2026, 3, 1, tzinfo=UTC)
TOKEN = {"access_token": "t-1", "expires_in": 3600}


class Asked(NamedTuple):
    """A request that came."""

    path: str
    query: dict[str, str]
    body: str
    authorization: str
    headers: dict[str, str]


Vendor = Callable[[Asked], tuple[object, dict[str, str]]]


@contextmanager
def served(vendor: Vendor) -> Iterator[tuple[str, list[Asked]]]:
    """A server with a vendor's answers: its URL, and what it was asked."""
    asked: list[Asked] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            headers = {name.lower(): value for name, value in self.headers.items()}
            one = (url.path, dict(parse_qsl(url.query)), body, headers.get("authorization", ""))
            asked.append(Asked(*one, headers))
            answer, more = vendor(asked[-1])
            sent = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(200)
            for name, value in {"Content-Length": str(len(sent)), **more}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(sent)

        do_POST = do_GET  # noqa: N815 - the library's name

    with listening(Handler) as url:
        yield url, asked


def _sync(home: Path, name: str, url: str, **variables: str) -> SyncReport:
    """Sync by the ready file as it is, but for where the vendor is."""
    text = (READY / f"{name}.toml").read_text()
    for line in text.splitlines():
        if line.startswith('url = "https://'):
            host = line.removeprefix('url = "').partition("/")[0] + "//"
            place = line.removeprefix(f'url = "{host}').partition("/")[0]
            text = text.replace(f"{host}{place}", url)
    (home / f"{name}.toml").write_text(text)
    settings = SyncSettings(home=home, secret="s" * 32, syncs_folder=home)
    environ = {f"HOMING_SYNC_{name.upper()}_{key}": value for key, value in variables.items()}
    return sync(settings, name, environ, FixedClock(NOW), silent)


def test_orders_of_shopify(tmp_path: Path) -> None:
    line = {
        "id": 9,
        "product_id": 31,
        "title": "Lamp",
        "vendor": "Acme",
        "quantity": 2,
        "price": "25.00",
        "discount_allocations": [{"amount": "5.00"}],
    }
    order = {
        "id": 1,
        "updated_at": "2026-01-02T09:00:00-05:00",
        "processed_at": "2026-01-01T10:00:00-05:00",
        "currency": "EUR",
        "customer": {"id": 7},
        "line_items": [line],
        "test": False,
    }
    other = {**order, "id": 2, "updated_at": "2026-01-03T09:00:00-05:00"}

    def vendor(asked: Asked) -> tuple[object, dict[str, str]]:
        if "page_info" in asked.query:
            return {"orders": [other]}, {}
        host = asked.headers["host"]
        link = f'<http://{host}{asked.path}?page_info=p2&limit=250>; rel="next"'
        late = asked.query["updated_at_min"] > "2026-01-03"
        return {"orders": [other] if late else [order]}, {} if late else {"Link": link}

    with served(vendor) as (url, asked):
        report = _sync(tmp_path, "shopify", url, SHOP="x", API_KEY="shpat")
    assert asked[0].path == "/admin/api/2026-10/orders.json"
    assert asked[0].query["order"] == "updated_at asc"
    assert asked[0].headers["x-shopify-access-token"] == "shpat"
    assert (report.records, report.letters) == (2, {})
    first, second = events(tmp_path)
    assert (first["id"], second["id"]) == ("shopify:1:9", "shopify:2:9")
    assert (first["item"], first["quantity"], first["value"]) == ("31", 2.0, 45.0)
    assert first["occurred_at"] == datetime(2026, 1, 1, 15, tzinfo=UTC)


def test_mail_events_of_hubspot(tmp_path: Path) -> None:
    base = {"recipient": "Ann@Example.com", "emailCampaignId": 55}
    found = [
        {**base, "id": "e-3", "created": 1767261600000, "type": "CLICK"},
        {**base, "id": "e-2", "created": 1767261500000, "type": "DROPPED"},
        {**base, "id": "e-1", "created": 1767261400000, "type": "SENT"},
    ]

    def vendor(asked: Asked) -> tuple[object, dict[str, str]]:
        if "offset" in asked.query:
            return {"hasMore": False, "offset": "end", "events": found[2:]}, {}
        return {"hasMore": True, "offset": "o2", "events": found[:2]}, {}

    with served(vendor) as (url, asked):
        report = _sync(tmp_path, "hubspot", url, TOKEN="pat")
    assert asked[0].authorization == "Bearer pat"
    assert asked[0].query["startTimestamp"] == "1262304000000"
    assert report.landed is not None
    assert report.landed.rejected == {"of no use": 1}
    assert [(one["id"], one["type"], one["send"]) for one in events(tmp_path)] == [
        ("hubspot:e-1", "email_sent", "55"),
        ("hubspot:e-3", "email_click", "55"),
    ]


def test_order_lines_of_salesforce(tmp_path: Path) -> None:
    def line(name: str, at: str, quantity: float) -> dict[str, Any]:
        return {
            "attributes": {"type": "OrderItem"},
            "Id": name,
            "OrderId": "801x",
            "Quantity": quantity,
            "TotalPrice": 10.0 * quantity,
            "Product2Id": "01tx",
            "Product2": {"Name": "Lamp"},
            "Order": {"AccountId": "001x", "EffectiveDate": "2026-01-01"},
            "SystemModstamp": at,
        }

    one, two = (
        line("802a", "2026-01-01T10:00:00.000+0000", 2.0),
        line("802b", "2026-01-01T11:00:00.000+0000", -1.0),
    )
    more = "/services/data/v63.0/query/01g-2000"

    def vendor(asked: Asked) -> tuple[object, dict[str, str]]:
        if asked.path.endswith("/token"):
            return TOKEN, {}
        if asked.path == more:
            return {"done": True, "records": [two]}, {}
        return {"done": False, "nextRecordsUrl": more, "records": [one]}, {}

    with served(vendor) as (url, asked):
        report = _sync(
            tmp_path, "salesforce", url, DOMAIN="x", CLIENT_ID="id", CLIENT_SECRET="hush"
        )
    assert asked[1].authorization == "Bearer t-1"
    assert "SystemModstamp >= 2000-01-01T00:00:00Z AND" in asked[1].query["q"]
    assert report.letters == {}
    first, second = events(tmp_path)
    assert (first["id"], first["type"], first["value"]) == ("salesforce:801x:802a", "purchase", 20)
    assert (second["type"], second["quantity"], second["value"]) == ("return", 1.0, 10.0)


def test_events_of_mixpanel(tmp_path: Path) -> None:
    said = {"time": 1767261600, "$insert_id": "i-1", "distinct_id": "d-7", "product_id": "lamp"}
    lines = [
        {"event": "Product Viewed", "properties": said},
        {"event": "App Opened", "properties": {**said, "$insert_id": "i-2"}},
        {
            "event": "Product Purchased",
            "properties": {
                **said,
                "$insert_id": "i-3",
                "price": 4.5,
                "quantity": 2,
                "currency": "EUR",
            },
        },
    ]
    body = b"\n".join(json.dumps(line).encode() for line in lines)
    with served(lambda _: (body, {})) as (url, asked):
        report = _sync(tmp_path, "mixpanel", url, PROJECT="1", USERNAME="u", PASSWORD="p")
    assert asked[0].query == {"project_id": "1", "from_date": "2020-01-01", "to_date": "2026-03-01"}
    assert asked[0].authorization == "Basic " + base64.b64encode(b"u:p").decode()
    assert report.landed is not None
    assert report.landed.rejected == {"another event": 1}
    viewed, bought = events(tmp_path)
    assert (viewed["type"], viewed["occurred_at"]) == ("view", datetime(2026, 1, 1, 10, tzinfo=UTC))
    assert (bought["quantity"], bought["value"], bought["currency"]) == (2.0, 9.0, "EUR")


def test_items_bought_of_google_analytics(tmp_path: Path) -> None:
    def row(at: str, order: str, bought: str) -> dict[str, Any]:
        names = (at, "c-7", order, "lamp", "Lamp")
        return {
            "dimensionValues": [{"value": one} for one in names],
            "metricValues": [{"value": bought}, {"value": "19.5"}],
        }

    def vendor(asked: Asked) -> tuple[object, dict[str, str]]:
        if asked.path == "/token":
            return TOKEN, {}
        found = [row("202601011000", "o-1", "2"), row("202601011005", "(not set)", "0")]
        start = json.loads(asked.body)["offset"]
        return {"rowCount": 2, **({"rows": found} if start == 0 else {})}, {}

    with served(vendor) as (url, asked):
        secrets = {"CLIENT_ID": "id", "CLIENT_SECRET": "hush", "REFRESH_TOKEN": "r-1"}
        report = _sync(tmp_path, "ga4", url, PROPERTY="42", **secrets)
    assert dict(parse_qsl(asked[0].body))["refresh_token"] == "r-1"
    assert asked[1].path == "/v1beta/properties/42:runReport"
    ranges = json.loads(asked[1].body)["dateRanges"]
    assert ranges == [{"startDate": "2020-01-01", "endDate": "yesterday"}]
    assert report.letters == {}
    (found,) = events(tmp_path)
    assert (found["id"], found["quantity"], found["value"]) == ("ga4:o-1:lamp", 2.0, 19.5)
    assert found["occurred_at"] == datetime(2026, 1, 1, 10, tzinfo=UTC)
