"""Deliveries signed, and calls made, by the senders' own libraries."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread
from typing import Any

import pytest

from features.clock import SystemClock
from features.event import Event, EventType
from features.sources.cloudevents_http import CloudEvents
from features.sources.segment import METHODS, Segment
from features.sources.source import Delivery
from features.sources.standard_webhooks import StandardWebhooks
from features.sources.stripe import Stripe
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import passes

Library = Any
"""Some ship without types; what is tried is their output."""

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"id": "v-1", "customer": "Ännchen"}'


def library(name: str) -> Library:
    """A library of the development group, or a skip where it is not installed."""
    return pytest.importorskip(name, reason=f"{name} is not installed: make install")


@pytest.mark.parametrize(
    ("name", "prefix"), [("standardwebhooks", "webhook"), ("svix.webhooks", "svix")]
)
def test_what_standard_webhooks_libraries_sign_is_taken(name: str, prefix: str) -> None:
    signature = library(name).Webhook(SECRET).sign("msg_1", NOW, BODY)
    headers = {
        f"{prefix}-id": "msg_1",
        f"{prefix}-timestamp": f"{NOW.timestamp():.0f}",
        f"{prefix}-signature": signature,
    }
    assert StandardWebhooks([SECRET]).verify(Delivery(BODY.encode(), headers), NOW) == "msg_1"
    assert not passes(StandardWebhooks([SECRET]), Delivery(b"{}", headers), NOW)


def test_what_stripes_library_signs_is_taken() -> None:
    signer = library("stripe").WebhookSignature
    time = f"{NOW.timestamp():.0f}"
    header = f"t={time},v1={signer._compute_signature(f'{time}.{BODY}', SECRET)}"
    delivery = Delivery(BODY.encode(), {"stripe-signature": header})
    assert passes(Stripe([SECRET]), delivery, NOW)
    assert signer.verify_header(BODY, header, SECRET, None)
    assert not passes(Stripe(["whsec_other"]), delivery, NOW)


@pytest.mark.parametrize("mode", ["binary", "structured"])
def test_what_cloudevents_library_sends_is_read(mode: str) -> None:
    events, http = library("cloudevents.core.v1.event"), library("cloudevents.core.bindings.http")
    attributes = {
        "id": "17",
        "source": "/shop/tïll 3",
        "type": "homing.search",
        "specversion": "1.0",
        "time": NOW,
        "datacontenttype": "application/json",
    }
    sent = events.CloudEvent(attributes=attributes, data={"customer": "7"})
    message = getattr(http, f"to_{mode}_event")(sent)
    headers = {name.lower(): value for name, value in message.headers.items()}
    (event,) = CloudEvents(["s"]).read(Delivery(message.body, headers), KEYS, NOW).events
    assert (event.id, event.source) == ("/shop/tïll 3:17", "/shop/tïll 3")
    assert (event.customer, event.occurred_at) == (KEYS.resolve("7"), NOW)


@contextmanager
def listening() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """An address, and the calls that came there: path and body as it was before compression."""
    calls: list[tuple[str, bytes]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            zipped = self.headers.get("Content-Encoding") == "gzip"
            calls.append((self.path, gzip.decompress(body) if zipped else body))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as it is called
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", calls
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", ["segment.analytics", "rudderstack.analytics"])
def test_what_tracking_libraries_send_is_read(name: str, zipped: bool) -> None:  # noqa: FBT001 - a case
    client_of = library(f"{name}.client").Client
    order = {"currency": "EUR", "products": [{"product_id": "lamp", "price": 3, "quantity": 2}]}
    then = datetime(2026, 1, 1, tzinfo=UTC)
    with listening() as (host, calls):
        client = client_of("key", host=host, gzip=zipped, sync_mode=True)
        client.identify("7", {"plan": "gold"}, anonymous_id="visitor")
        client.track("7", "Order Completed", order, timestamp=then)
        client.page("7", "Shop", "Lamp", {"product_id": "lamp"})
    now = SystemClock().now()
    events: list[Event] = []
    for path, body in calls:
        received = Segment().read(METHODS[path.rpartition("/")[2]], body, KEYS, now)
        assert received.unreadable == []
        events += received.events
    joined, bought, viewed = events
    assert (joined.type, joined.alias) == (EventType.IDENTIFY, KEYS.resolve("anonymous:visitor"))
    assert (bought.item, bought.quantity, bought.value, bought.currency) == ("lamp", 2, 6, "EUR")
    assert abs((bought.occurred_at - then).total_seconds()) < 10
    assert abs((viewed.occurred_at - now).total_seconds()) < 10
    assert {event.customer for event in events} == {KEYS.resolve("7")}
