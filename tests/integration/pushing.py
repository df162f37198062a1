"""What the tests of webhooks share: sources that are set up, and deliveries of theirs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from typing import Any

import httpx

from tests.integration.web import Web
from tests.unit.serving.kit import NOW

SHOP = "shop secret"
GUN = "mailgun key"
WAY = "whsec_" + base64.b64encode(b"another secret").decode()
ENVIRON = {
    "HOMING_WEBHOOK_SHOPIFY_SECRET": f"old secret,{SHOP}",
    "HOMING_WEBHOOK_SHOPIFY_CURRENCY": "GBP",
    "HOMING_WEBHOOK_MAILGUN_SECRET": GUN,
    "HOMING_WEBHOOK_MANDRILL_SECRET": "mandrill key",
    "HOMING_WEBHOOK_STANDARD_WEBHOOKS_SECRET": WAY,
    "HOMING_WEBHOOK_POSTMARK_SECRET": "user:pass",
}
BASIC = {"authorization": "Basic " + base64.b64encode(b"user:pass").decode()}
AT = int(NOW.timestamp())


def push(
    web: Web, source: str, body: bytes, headers: Mapping[str, str | bytes], query: str = ""
) -> httpx.Response:
    """The answer to a delivery."""
    return web.ask("POST", f"/v1/webhooks/{source}{query}", headers, content=body)


def from_shop(web: Web, topic: str, payload: object, secret: str = SHOP) -> httpx.Response:
    """The answer to a delivery that a shop signed."""
    body = json.dumps(payload).encode()
    mac = base64.b64encode(hmac.new(secret.encode(), body, hashlib.sha256).digest()).decode()
    headers = {"X-Shopify-Hmac-Sha256": mac, "X-Shopify-Topic": topic}
    return push(web, "shopify", body, headers)


def gun(name: str, once: str = "t1", key: str = GUN) -> bytes:
    """What Mailgun sends when a mail was opened."""
    mac = hmac.new(key.encode(), f"{AT}{once}".encode(), hashlib.sha256).hexdigest()
    told = {"event": "opened", "id": name, "timestamp": AT, "recipient": "ann@example.com"}
    signature = {"timestamp": str(AT), "token": once, "signature": mac}
    return json.dumps({"signature": signature, "event-data": told}).encode()


def order(sku: str) -> dict[str, Any]:
    """An order of one item."""
    line = {"id": 7, "product_id": sku, "quantity": 1, "price": "3.00"}
    paid = {"financial_status": "paid", "currency": "GBP", "created_at": NOW.isoformat()}
    return {"id": 12, **paid, "customer": {"id": 5}, "line_items": [line]}


def kept(web: Web) -> list[bytes]:
    """What the log has."""
    return [entry.body for entry in web.kit.log.inner.take("profiles", 100)]  # type: ignore[attr-defined]


def burst(*_: object) -> None:
    """What a source or a store should never do."""
    raise ZeroDivisionError
