from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from features.errors import SettingsError
from features.event import parse_event
from features.sources.source import Delivery, Received
from features.sources.standard_webhooks import StandardWebhooks
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import is_refused, passes, without
from tests.unit.features.sources.shopping import JSON, dumped

# The vector of the specification's own libraries.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
MAC = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": MAC,
}
THEN = datetime.fromtimestamp(1_614_265_330, UTC)
SOURCE = StandardWebhooks([SECRET])

VIEW: JSON = {
    "id": "v-1",
    "type": "view",
    "customer": "7",
    "occurred_at": "2026-02-01T00:00:00Z",
    "item": "lamp",
}


def delivery(**headers: str) -> Delivery:
    changed = {f"webhook-{name}": text for name, text in headers.items()}
    return Delivery(BODY, {**HEADERS, **changed})


def test_a_delivery_is_taken_that_the_secret_signed() -> None:
    assert SOURCE.verify(delivery(), THEN) == "msg_p5jXN8AQM9LWM0D4loKWxJek"
    other = "whsec_" + base64.b64encode(b"another secret of 24 bytes").decode()
    assert passes(StandardWebhooks([other, SECRET]), delivery(), THEN)
    assert passes(StandardWebhooks([SECRET.removeprefix("whsec_")]), delivery(), THEN)


def test_one_of_several_signatures_is_enough() -> None:
    for several in (f"v1,AAAA {MAC}", f"v1,é v2,x {MAC}", f"{MAC} v1a,AAAA"):
        assert passes(SOURCE, delivery(signature=several), THEN)
    is_refused(SOURCE, delivery(signature=f"{'v1,AAAA ' * 4}{MAC}"), THEN, "signature")


def test_svix_calls_the_headers_otherwise() -> None:
    headers = {name.replace("webhook", "svix"): text for name, text in HEADERS.items()}
    assert SOURCE.verify(Delivery(BODY, headers), THEN) == HEADERS["webhook-id"]


def test_a_delivery_is_refused_that_it_did_not_sign() -> None:
    is_refused(SOURCE, Delivery(b"{}", HEADERS), THEN, "signature")
    is_refused(SOURCE, delivery(id="msg_2"), THEN, "signature")
    is_refused(SOURCE, delivery(timestamp="1614265331"), THEN, "signature")
    is_refused(SOURCE, delivery(timestamp="soon"), THEN, "can't be read")
    is_refused(SOURCE, delivery(signature=MAC.removeprefix("v1,")), THEN, "signature")
    for name in HEADERS:
        assert not passes(SOURCE, Delivery(BODY, without(HEADERS, name)), THEN)


def test_a_delivery_is_refused_once_it_is_old() -> None:
    edge = timedelta(minutes=5)
    assert passes(SOURCE, delivery(), THEN + edge)
    is_refused(SOURCE, delivery(), THEN + edge * 1.01, "more than 300 s")


def test_an_asymmetric_signature_is_checked_by_the_public_key() -> None:
    private = Ed25519PrivateKey.generate()
    public = "whpk_" + base64.b64encode(private.public_key().public_bytes_raw()).decode()
    message = b"%b.1614265330.%b" % (HEADERS["webhook-id"].encode(), BODY)
    signature = "v1a," + base64.b64encode(private.sign(message)).decode()
    only, both = StandardWebhooks([public]), StandardWebhooks([public, SECRET])
    assert passes(only, delivery(signature=f"{MAC} {signature}"), THEN)
    assert passes(both, delivery(), THEN)
    for forged in (MAC, "v1a,AAAA", "v1a," + base64.b64encode(b"0" * 64).decode()):
        is_refused(only, delivery(signature=forged), THEN, "signature")


@pytest.mark.parametrize("secret", ["whsec_", "whsec_é", "whsec_A", "whpk_AAAA", "whpk_!"])
def test_a_secret_of_another_form_is_refused(secret: str) -> None:
    with pytest.raises(SettingsError, match="neither whsec_ nor whpk_"):
        StandardWebhooks([secret])


def read(body: bytes) -> Received:
    return SOURCE.read(Delivery(body), KEYS, NOW)


def test_the_body_is_an_event_as_anybody_may_post_it() -> None:
    expected = parse_event(VIEW, KEYS, NOW)
    assert read(dumped(VIEW)) == Received([expected], [], [], [])
    assert read(dumped([VIEW, {**VIEW, "id": "v-2"}])).events[0] == expected


def test_an_element_that_cant_be_read_does_not_silence_the_others() -> None:
    wrong = [
        {**VIEW, "ann@example.com": 1},
        {**VIEW, "type": "ann@example.com"},
        {**VIEW, "item": ""},
    ]
    received = read(dumped([*wrong, VIEW]))
    assert [event.id for event in received.events] == ["v-1"]
    assert [letter.body for letter in received.unreadable] == [dumped(one) for one in wrong]
    assert not [letter for letter in received.unreadable if "ann" in letter.reason]


@pytest.mark.parametrize("body", [b"", b"[", b"\xff", b"[" * 10_000, b"[[1]", b"9" * 10_000])
def test_what_is_no_json_is_one_dead_letter(body: bytes) -> None:
    (letter,) = read(body).unreadable
    assert letter.body == body
