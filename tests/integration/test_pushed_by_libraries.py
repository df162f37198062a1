"""Senders' own libraries, which nobody here wrote, push to a service of two processes."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from features.clock import SystemClock
from features.profile import History
from features.stores.opening import open_stores
from serving.keys import KeyFile
from tests.integration.test_serve import running
from tests.integration.web import CUSTOMERS

Library = Any
"""Some ship without types; what is tried is what they send."""

WAY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BOOTH = "whsec_of_stripe"


class Service:
    """A running service that takes events in and folds them."""

    def __init__(self, client: httpx.Client, home: Path) -> None:
        self.client = client
        self.url = f"sqlite:///{home / 'profiles.db'}"
        self.write_key = KeyFile(home / "keys.json", SystemClock()).create("web", ["events"]).token

    def push(self, source: str, body: str, headers: dict[str, str]) -> dict[str, int]:
        """The answer to a delivery that is acknowledged."""
        answer = self.client.post(f"/v1/webhooks/{source}", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        told: dict[str, int] = answer.json()
        return told

    def history(self, customer: str, items: set[str]) -> History:
        """What is known of a customer, once these items are."""
        stores = open_stores(self.url)
        key, began = CUSTOMERS.resolve(customer), time.monotonic()
        try:
            while True:
                profile = stores.profiles.get(key)
                if profile and {one.item for one in profile.history.interactions} >= items:
                    return profile.history
                assert time.monotonic() - began < 10, profile
                time.sleep(0.02)
        finally:
            stores.close()

    def counted(self, name: str) -> float:
        """A metric of all processes."""
        lines = self.client.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    home = tmp_path_factory.mktemp("pushed")
    secrets = {
        "HOMING_WEBHOOK_STANDARD_WEBHOOKS_SECRET": WAY,
        "HOMING_WEBHOOK_STRIPE_SECRET": BOOTH,
    }
    url = f"sqlite:///{home / 'profiles.db'}"
    with running(home, url, HOMING_WORKERS="2", **secrets) as shop:
        # Without a connection that is kept: either process may answer.
        address, key = str(shop.client.base_url), dict(shop.client.headers)
        with httpx.Client(
            base_url=address, headers=key, limits=httpx.Limits(max_keepalive_connections=0)
        ) as client:
            yield Service(client, home)


def library(name: str) -> Library:
    """A library of the development group, or a skip where it is not installed."""
    return pytest.importorskip(name, reason=f"{name} is not installed: make install")


def bought(customer: str, item: str) -> str:
    """One of our own events."""
    now = SystemClock().now().isoformat()
    told = {"id": f"{customer}-{item}", "type": "purchase", "customer": customer, "item": item}
    return json.dumps({**told, "occurred_at": now})


@pytest.mark.parametrize(
    ("name", "prefix"), [("standardwebhooks", "webhook"), ("svix.webhooks", "svix")]
)
def test_an_id_of_standard_webhooks_is_taken_once_by_all_processes(
    service: Service, name: str, prefix: str
) -> None:
    now, body = SystemClock().now(), bought(prefix, "lamp")
    headers = {
        f"{prefix}-id": f"msg-{prefix}",
        f"{prefix}-timestamp": str(int(now.timestamp())),
        f"{prefix}-signature": library(name).Webhook(WAY).sign(f"msg-{prefix}", now, body),
    }
    before = service.counted("homing_webhooks_repeated_total")
    taken = [service.push("standard-webhooks", body, headers)["accepted"] for _ in range(8)]
    assert taken == [1] + [0] * 7
    assert service.counted("homing_webhooks_repeated_total") == before + 7
    assert len(service.history(prefix, {"lamp"}).interactions) == 1


def test_what_stripes_library_signs_is_taken_and_a_forgery_is_not(service: Service) -> None:
    signer = library("stripe").WebhookSignature
    now = int(SystemClock().now().timestamp())
    paid = {"id": "pi_1", "metadata": {"item": "lamp", "customer": "stripe"}, "currency": "gbp"}
    event = {"type": "payment_intent.succeeded", "created": now, "data": {"object": paid}}
    body = json.dumps(event)
    signature = signer._compute_signature(f"{now}.{body}", BOOTH)
    assert service.push("stripe", body, {"stripe-signature": f"t={now},v1={signature}"}) == {
        "accepted": 1,
        "unreadable": 0,
    }
    forged = {"stripe-signature": f"t={now},v1={signature}"}
    answer = service.client.post("/v1/webhooks/stripe", content=body + " ", headers=forged)
    assert answer.status_code == 401
    assert service.counted('homing_webhooks_refused_total{reason="signature",source="stripe"}') == 1
    assert service.history("stripe", {"lamp"}).owned()


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", ["segment.analytics", "rudderstack.analytics"])
def test_a_tracking_library_works_by_changing_its_host(
    service: Service,
    name: str,
    zipped: bool,  # noqa: FBT001 - a case
) -> None:
    customer = f"{name}-{zipped}"
    order = {"currency": "EUR", "products": [{"product_id": "lamp", "price": 3, "quantity": 2}]}
    failed: list[object] = []
    client = library(f"{name}.client").Client(
        service.write_key,
        host=str(service.client.base_url).rstrip("/"),
        gzip=zipped,
        on_error=lambda error, _: failed.append(error),
    )
    client.track(None, "Product Viewed", {"product_id": "vase"}, anonymous_id=f"{customer}-visitor")
    client.identify(customer, {"plan": "gold"}, anonymous_id=f"{customer}-visitor")
    client.track(customer, "Order Completed", order, timestamp=datetime(2026, 1, 1, tzinfo=UTC))
    client.flush()
    client.join()
    assert failed == []
    # What the visitor did is the customer's.
    assert service.history(customer, {"lamp", "vase"}).owned() == {"lamp"}


def test_a_tracking_library_is_told_that_its_key_is_wrong(service: Service) -> None:
    host = str(service.client.base_url).rstrip("/")
    client = library("segment.analytics.client").Client("hk_no_key", host=host, sync_mode=True)
    with pytest.raises(Exception, match="401"):
        client.track("7", "Products Searched")
