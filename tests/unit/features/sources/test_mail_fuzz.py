from __future__ import annotations

import copy
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import Unauthenticated
from features.event import check_event
from features.sources import (
    customerio,
    klaviyo,
    mailchimp,
    mailgun,
    mandrill,
    postmark,
    sendgrid,
)
from features.sources.source import Delivery, Source
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources import (
    test_customerio,
    test_klaviyo,
    test_mailchimp,
    test_mailgun,
    test_mandrill,
    test_postmark,
    test_sendgrid,
)
from tests.unit.features.sources.mailing import JSON, body

ANYTHING = st.text(st.characters(exclude_categories=()), max_size=20)
SIGNATURES = st.sampled_from(["ab" * 32, "AAAA", "A" * 27 + "=", "Basic YTpi", "Basic Og=="])
TIMES = st.sampled_from([str(int(NOW.timestamp())), "Sun, 01 Mar 2026 00:00:00 GMT"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | ANYTHING,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANYTHING, inner, max_size=3),
    max_leaves=6,
)


class Case(NamedTuple):
    name: str
    source: Source
    payload: JSON
    write: Callable[[JSON], bytes]


def mandrill_form(payload: JSON) -> bytes:
    return urlencode({b"mandrill_events": body(payload)}).encode()


def form(payload: JSON) -> bytes:
    written = payload if isinstance(payload, dict) else {"type": "unsubscribe", "data": payload}
    return urlencode(written, errors="replace").encode()


CASES = [
    Case("sendgrid", test_sendgrid.SOURCE, [test_sendgrid.TOLD], body),
    Case("mailgun", test_mailgun.SOURCE, test_mailgun.told(), body),
    Case("postmark", test_postmark.SOURCE, test_postmark.OPEN, body),
    Case("mailchimp", test_mailchimp.SOURCE, test_mailchimp.UNSUBSCRIBED, form),
    Case("mandrill", test_mandrill.SOURCE, [test_mandrill.TOLD], mandrill_form),
    Case("klaviyo", test_klaviyo.SOURCE, {"data": [test_klaviyo.told()]}, body),
    Case("customerio", test_customerio.SOURCE, test_customerio.TOLD, body),
]
HEADERS = [
    *(sendgrid.SIGNATURE, sendgrid.TIMESTAMP, klaviyo.SIGNATURE, klaviyo.TIMESTAMP),
    *(klaviyo.WEBHOOK, customerio.SIGNATURE, customerio.TIMESTAMP, mandrill.SIGNATURE),
    "authorization",
]
MODULES = (sendgrid, mailgun, postmark, mailchimp, mandrill, klaviyo, customerio)
each = pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])


@st.composite
def mutated(draw: st.DrawFn, payload: JSON) -> JSON:
    """The payload with one of its parts, however deep, become anything."""
    changed = copy.deepcopy({"": payload})
    part: JSON = changed
    while True:
        key = draw(st.sampled_from(list(part) if isinstance(part, dict) else range(len(part))))
        if not (part[key] and isinstance(part[key], dict | list)) or draw(st.integers(0, 3)) == 0:
            part[key] = draw(VALUES)
            return changed[""]
        part = part[key]


def test_every_source_is_here() -> None:
    assert [case.name for case in CASES] == [module.NAME for module in MODULES]


@each
@given(st.data())
def test_any_delivery_is_the_senders_or_refused(case: Case, data: st.DataObject) -> None:
    delivery = Delivery(
        body=data.draw(st.binary() | mutated(case.payload).map(case.write)),
        headers=data.draw(st.dictionaries(st.sampled_from(HEADERS), ANYTHING | SIGNATURES | TIMES)),
        query=data.draw(st.dictionaries(st.just(mailchimp.PARAMETER), ANYTHING)),
        url=data.draw(ANYTHING),
    )
    with pytest.raises(Unauthenticated):
        case.source.verify(delivery, NOW)


@each
@given(st.data())
def test_any_payload_is_events_or_dead_letters(case: Case, data: st.DataObject) -> None:
    written = case.write(data.draw(mutated(case.payload)))
    received = case.source.read(Delivery(written), KEYS, NOW)
    for event in received.events:
        assert check_event(event, NOW) is None
        assert event.id.startswith(f"{case.name}:")
        assert event.customer.startswith("ck_")
    for letter in received.unreadable:
        assert "xample.com" not in letter.reason


@each
@given(st.binary())
def test_any_bytes_are_events_or_dead_letters(case: Case, raw: bytes) -> None:
    received = case.source.read(Delivery(raw), KEYS, NOW)
    assert len(received.events) + len(received.unreadable) <= 1


@each
@pytest.mark.parametrize("raw", [b"[" * 100_000, b'{"data":' * 100_000, b'{"a":' * 100_000])
def test_nesting_without_end_is_a_dead_letter(case: Case, raw: bytes) -> None:
    with pytest.raises(Unauthenticated):
        case.source.verify(Delivery(raw), NOW)
    assert [letter.body for letter in case.source.read(Delivery(raw), KEYS, NOW).unreadable] == [
        raw
    ]
