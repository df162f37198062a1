from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from features.clock import FixedClock
from features.errors import NotFound
from features.event import Event
from features.identity import CustomerKeys
from features.letters import Letters, Wanted
from features.settings import Settings
from features.sources.again import name_of, origin_of, readers_of
from features.sources.opening import open_sources
from features.stores.codec import decode_event, encode_event
from features.stores.opening import Stores, open_log, open_stores
from features.stores.ports import DeadLetter
from tests.unit.features.making import KEYS, NOW, event, item
from tests.unit.features.sources.test_opening import PEM

ENVIRON = {
    "HOMING_WEBHOOK_SENDGRID_SECRET": PEM,
    "HOMING_WEBHOOK_SHOPIFY_SECRET": "s",
    "HOMING_WEBHOOK_MANDRILL_SECRET": "s",
    "HOMING_WEBHOOK_KLAVIYO_SECRET": "s",
    "HOMING_WEBHOOK_CLOUDEVENTS_SECRET": "s",
    "HOMING_WEBHOOK_STANDARD_WEBHOOKS_SECRET": "whsec_c2VjcmV0",
}
AT = int(NOW.timestamp())


class World:
    """A log and stores in memory, and the letters of the log."""

    def __init__(self) -> None:
        self.clock = FixedClock(NOW)
        self.log = open_log("memory://", self.clock)
        self.stores: Stores = open_stores("memory://", self.clock)
        settings = Settings(public_url="https://a.example")
        readers = readers_of(open_sources(settings, ENVIRON), settings.segment_item)
        self.letters = Letters(
            self.log, readers, self.keys, lambda: self.stores.catalogue, self.clock
        )

    def keys(self) -> CustomerKeys:
        return KEYS

    def bury(self, origin: str, body: bytes, reason: str = "why") -> DeadLetter:
        self.log.bury([body], reason, origin)
        return self.log.dead_letters()[-1]

    def resend(self, origin: str, payload: object) -> list[Event]:
        """What a buried part comes to when it is sent again."""
        body = payload if isinstance(payload, bytes) else json.dumps(payload).encode()
        letter = self.bury(origin, body)
        said = self.letters.read(letter)
        assert said.reason == ""
        self.letters.send(letter, said)
        assert self.log.dead_letters() == []
        return [decode_event(entry.body) for entry in self.log.take("profiles", 10)]


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.log.close()
    made.stores.close()


OPENED = {"event": "open", "timestamp": AT, "sg_event_id": "e1", "email": "ann@example.com"}
MANDRILL = {"event": "open", "ts": AT, "msg": {"_id": "m", "email": "ann@example.com"}}
TRACKED = {
    "type": "track",
    "event": "Products Searched",
    "userId": "7",
    "messageId": "m",
    "timestamp": NOW.isoformat(),
}
OURS = {"id": "e", "type": "search", "customer": "7", "occurred_at": NOW.isoformat()}
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


def test_products_of_a_letter_go_into_the_catalogue(world: World) -> None:
    world.stores.catalogue.put_many([item("9")])
    gone = "shopify?x-shopify-topic=products%2Fdelete"
    assert world.resend(gone, {"id": 9}) == []
    assert not world.stores.catalogue.get_many(["9"])["9"].in_stock


def test_an_event_of_the_log_goes_back_byte_for_byte(world: World) -> None:
    body = encode_event(event("e-1"))
    letter = world.bury("ingest", body)
    world.letters.send(letter, world.letters.read(letter))
    assert [entry.body for entry in world.log.take("profiles", 10)] == [body]


def test_what_cannot_be_read_now_says_why(world: World) -> None:
    far = encode_event(event("e-1", NOW + timedelta(days=30)))
    for origin, body, why in (
        ("ingest", b"\xff", "not an event"),
        ("ingest", far, "future"),
        ("stripe", b"{}", "HOMING_WEBHOOK_STRIPE_SECRET"),
        ("shopify?x-shopify-topic=app%2Funinstalled", b"{}", "drop it"),
        ("shopify?x-shopify-topic=orders%2Fcreate", b"{}", "id: missing"),
    ):
        assert why in world.letters.read(world.bury(origin, body)).reason


def test_other_bytes_can_stand_in_for_those_of_a_letter(world: World) -> None:
    letter = world.bury("standard-webhooks", b"{")
    said = world.letters.read(letter, json.dumps(OURS).encode())
    assert len(said.entries) == 1


def test_a_letter_is_dated_when_it_came(world: World) -> None:
    letter = world.bury("segment?method=track", json.dumps({**TRACKED, "timestamp": ""}).encode())
    world.clock.advance(timedelta(days=3))
    (body,) = world.letters.read(letter).entries
    assert decode_event(body).occurred_at == NOW


def chosen(world: World, limit: int = 100, **wanted: Any) -> list[bytes]:  # noqa: ANN401 - any of Wanted
    return [letter.body for letter in world.letters.find(Wanted(**wanted), limit)]


def test_letters_are_chosen_by_source_reason_time_and_number(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("features.letters.PAGE", 2)
    world.bury("shopify?x-shopify-topic=carts%2Fcreate", b"1", "Not JSON")
    world.bury("ingest", b"2", "not an event")
    world.clock.advance(timedelta(days=1))
    last = world.bury("ingest", b"3", "no json either")
    assert chosen(world) == [b"1", b"2", b"3"]
    assert chosen(world, 2) == [b"1", b"2"]
    assert chosen(world, source="shopify") == [b"1"]
    assert chosen(world, reason="JSON") == [b"1", b"3"]
    assert chosen(world, since=NOW + timedelta(hours=1)) == [b"3"]
    assert chosen(world, until=NOW + timedelta(hours=1)) == [b"1", b"2"]
    assert chosen(world, ids=(last.id,), source="ingest") == [b"3"]
    assert world.letters.one(last.id) == last
    for number in (0, last.id + 1, 10**20):
        with pytest.raises(NotFound, match="homing replay"):
            world.letters.one(number)


def test_letters_are_dropped_only_when_told(world: World) -> None:
    letters = [world.bury("ingest", b"1"), world.bury("ingest", b"2")]
    world.letters.drop(letters[:1])
    assert chosen(world) == [b"2"]
