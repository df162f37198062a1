from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from features.sources.again import name_of, origin_of
from tests.unit.features.buried import OURS, TRACKED, World
from tests.unit.features.making import NOW

AT = int(NOW.timestamp())
OPENED = {"event": "open", "timestamp": AT, "sg_event_id": "e1", "email": "ann@example.com"}
MANDRILL = {"event": "open", "ts": AT, "msg": {"_id": "m", "email": "ann@example.com"}}
CLOUD = {
    "id": "e",
    "source": "s",
    "type": "homing.search",
    "specversion": "1.0",
    "time": NOW.isoformat(),
    "data": {"customer": "7"},
}
KLAVIYO = {
    "topic": "event:klaviyo.opened_email",
    "external_id": "k",
    "payload": {
        "data": {
            "attributes": {"timestamp": AT},
            "relationships": {"profile": {"data": {"type": "profile", "id": "P"}}},
        }
    },
}
BATCH = "cloudevents?content-type=application%2Fcloudevents-batch%2Bjson"


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.log.close()
    made.stores.close()


@pytest.mark.parametrize(
    ("origin", "part"),
    [
        ("sendgrid", OPENED),
        ("sendgrid", [OPENED]),
        ("mandrill", MANDRILL),
        ("mandrill", b"mandrill_events=" + json.dumps([MANDRILL]).encode()),
        ("klaviyo", KLAVIYO),
        ("klaviyo", {"data": [KLAVIYO]}),
        ("standard-webhooks", OURS),
        ("standard-webhooks", [OURS]),
        (BATCH, CLOUD),
        (BATCH, [CLOUD]),
        (BATCH.replace("-batch", ""), CLOUD),
        ("segment?method=track", TRACKED),
        ("segment?method=batch", TRACKED),
        ("segment?method=batch", {"batch": [TRACKED]}),
    ],
)
def test_a_part_of_a_delivery_and_a_whole_one_are_read_again(
    world: World, origin: str, part: object
) -> None:
    assert len(world.resend(origin, part)) == 1


def test_what_is_wrong_with_a_part_is_told_and_not_that_it_is_one(world: World) -> None:
    for origin, part in (("sendgrid", OPENED), ("segment?method=batch", TRACKED)):
        letter = world.bury(origin, json.dumps({**part, "timestamp": "soon"}).encode())
        reason = world.letters.read(letter).reason
        assert "timestamp" in reason
    letter = world.bury("segment?method=track", b"[]")
    assert "object" in world.letters.read(letter).reason
    assert len(world.log.dead_letters()) == 3


def test_the_headers_that_reading_needs_are_kept_with_a_letter() -> None:
    headers = {"x-shopify-topic": "orders/create", "x-shopify-hmac-sha256": "mac", "ce-id": "ü&=1"}
    assert origin_of("shopify", headers) == "shopify"
    assert origin_of("shopify", headers, ("x-none",)) == "shopify"
    told = origin_of("shopify", headers, ("x-shopify-topic", "ce-"))
    assert told == "shopify?x-shopify-topic=orders%2Fcreate&ce-id=%C3%BC%26%3D1"
    assert name_of(told) == "shopify"
