"""Whatever is pushed, by whomever: an answer that is declared, and never an error of our own."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features.sources.opening import SOURCES
from features.sources.segment import METHODS
from tests.integration.web import Web
from tests.unit.features.sources.shopping import values
from tests.unit.features.sources.test_opening import PEM
from tests.unit.serving.kit import NOW

SECRET = "secret"
SECRETS = {"sendgrid": PEM, "postmark": "a:b", "standard-webhooks": "whsec_c2VjcmV0"}
ENVIRON = {
    f"HOMING_WEBHOOK_{name.upper().replace('-', '_')}_SECRET": SECRETS.get(name, SECRET)
    for name in SOURCES
}
HEADERS = (
    "authorization",
    "content-encoding",
    "content-length",
    "content-type",
    "ce-id",
    "ce-specversion",
    "klaviyo-signature",
    "klaviyo-timestamp",
    "stripe-signature",
    "svix-id",
    "svix-signature",
    "svix-timestamp",
    "webhook-id",
    "webhook-signature",
    "webhook-timestamp",
    "x-cio-signature",
    "x-cio-timestamp",
    "x-mandrill-signature",
    "x-shopify-hmac-sha256",
    "x-shopify-topic",
    "x-twilio-email-event-webhook-signature",
    "x-twilio-email-event-webhook-timestamp",
    "x-wc-webhook-signature",
    "x-wc-webhook-topic",
)
DECLARED = {200, 202, 401, 404, 413, 422}
AT = str(int(NOW.timestamp()))
quick = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

texts = st.text(st.characters(max_codepoint=255), max_size=12).map(
    lambda text: text.encode("latin-1")
)
telling = st.sampled_from(
    [AT.encode(), b"t=1,v1=aa", b"v1,aa", b"Basic YTpi", b"orders/create", b"gzip"]
)
headers = st.dictionaries(st.sampled_from(HEADERS), texts | telling, max_size=5)
payloads = values.map(lambda value: json.dumps(value).encode())
bodies = st.binary(max_size=60) | payloads | payloads.map(gzip.compress)


@pytest.fixture
def web(tmp_path: Path) -> Iterator[Web]:
    made = Web(tmp_path, ENVIRON, public_url="https://a.example")
    yield made
    made.kit.service.stop()


def knock(web: Web, path: str, sent: dict[str, bytes], body: bytes, query: bytes) -> int:
    """The status of a request that no client would let out of its hands."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": path,
        "raw_path": path.encode("utf-8", "surrogatepass"),
        "query_string": query,
        "headers": [(name.encode(), value) for name, value in sent.items()],
        "state": {},
    }
    answers: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        answers.append(message)

    asyncio.run(web.app(scope, receive, send))  # type: ignore[arg-type]  # as ASGI has them
    status: int = answers[0]["status"]
    return status


@quick
@given(st.sampled_from(SOURCES) | st.text(max_size=5), headers, bodies, st.binary(max_size=12))
def test_anything_that_is_pushed(
    web: Web, source: str, sent: dict[str, bytes], body: bytes, query: bytes
) -> None:
    assert knock(web, f"/v1/webhooks/{source}", sent, body, query) in DECLARED


@quick
@given(st.sampled_from(sorted(METHODS)), headers, bodies, st.binary(max_size=12), st.booleans())
def test_anything_that_is_tracked(
    web: Web,
    name: str,
    sent: dict[str, bytes],
    body: bytes,
    query: bytes,
    known: bool,  # noqa: FBT001 - drawn
) -> None:
    if known:
        sent = {**sent, "authorization": b"Basic " + base64.b64encode(f"{web.token}:".encode())}
    assert knock(web, f"/v1/{name}", sent, body, query) in DECLARED


def signed(source: str, body: bytes) -> dict[str, str]:
    """Headers with which a body passes for the sender's."""

    def mac(*parts: bytes, key: bytes = SECRET.encode()) -> bytes:
        return hmac.new(key, b"".join(parts), hashlib.sha256).digest()

    base = base64.b64encode
    at = AT.encode()
    standard = base(mac(b"m.", at, b".", body, key=SECRET.encode())).decode()
    known: dict[str, dict[str, str]] = {
        "shopify": {"x-shopify-hmac-sha256": base(mac(body)).decode()},
        "woocommerce": {"x-wc-webhook-signature": base(mac(body)).decode()},
        "stripe": {"stripe-signature": f"t={AT},v1={mac(at, b'.', body).hex()}"},
        "klaviyo": {"klaviyo-timestamp": AT, "klaviyo-signature": mac(body, at).hex()},
        "customerio": {"x-cio-timestamp": AT, "x-cio-signature": mac(b"v0:", at, b":", body).hex()},
        "postmark": {"authorization": f"Basic {base(b'a:b').decode()}"},
        "cloudevents": {"authorization": f"Bearer {SECRET}"},
        "standard-webhooks": {
            "webhook-id": "m",
            "webhook-timestamp": AT,
            "webhook-signature": f"v1,{standard}",
        },
    }
    return known[source]


ABOUT = ("order", "cart", "customer", "product")
TOPICS = st.sampled_from(
    [f"{one}s/create" for one in ABOUT]
    + [f"{one}.{what}" for one in ABOUT for what in ("created", "deleted")]
)


@quick
@given(
    st.sampled_from(["shopify", "woocommerce", "stripe", "klaviyo", "customerio", "postmark"])
    | st.sampled_from(["cloudevents", "standard-webhooks"]),
    bodies,
    TOPICS,
)
def test_anything_that_a_known_sender_pushes_is_acknowledged(
    web: Web, source: str, body: bytes, topic: str
) -> None:
    topics = {"x-shopify-topic": topic, "x-wc-webhook-topic": topic}
    response = web.ask(
        "POST", f"/v1/webhooks/{source}", signed(source, body) | topics, content=body
    )
    assert response.status_code in {200, 202}, response.text


def test_a_query_and_a_source_are_not_in_the_log(
    web: Web, capsys: pytest.CaptureFixture[str]
) -> None:
    web.ask("POST", "/v1/webhooks/ann-example-com?secret=hush&email=ann@example.com", {})
    web.ask("POST", "/v1/webhooks/mailchimp?secret=hush", {}, content=b"type=subscribe")
    logged = capsys.readouterr()
    told: Any = logged.out + logged.err
    assert "/v1/webhooks/{source}" in told
    assert not [word for word in ("hush", "ann", "subscribe") if word in told]
