from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from features.errors import NotFound
from features.letters import Wanted
from features.stores.codec import decode_event, encode_event
from tests.unit.features.buried import OURS, TRACKED, World
from tests.unit.features.making import NOW, event, item


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.log.close()
    made.stores.close()


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
