from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from features.errors import InvalidArgument, NotFound, StoreUnavailable, TooLarge
from features.item import Item
from features.profile import NextBest, Published
from features.stores.codec import decode_event
from serving.service import MAX_CUSTOMERS
from serving.slate import Ask, Rung
from tests.unit.serving.kit import ANNA, BERT, ITEMS, Kit, chain_bundle, make_kit, purchase


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Kit]:
    """A service that runs."""
    made = make_kit(tmp_path, reload_seconds=0.05)
    made.service.start()
    yield made
    made.service.stop()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 5
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_it_is_ready_once_started(kit: Kit) -> None:
    assert not kit.service.status().ready
    kit.service.start()
    assert kit.service.status().ready


def test_it_follows_catalogue_and_champion_by_itself(running: Kit) -> None:
    running.catalogue.put_many(ITEMS)
    running.registry.bundles["4"] = chain_bundle()
    running.registry.alias = "4"
    until(lambda: running.service.status().model == "recommender/4")
    until(lambda: running.service.status().items == len(ITEMS))
    assert running.service.status().store
    assert running.service.status().registry


def test_a_start_with_everything_down_is_quick_and_answers(tmp_path: Path) -> None:
    made = make_kit(tmp_path)
    made.fail()
    made.registry.down = True
    began = time.monotonic()
    made.service.start()
    assert time.monotonic() - began < 3
    slate = asyncio.run(made.service.recommend(Ask(customer=ANNA, block="hero")))
    assert slate.served_by is Rung.STATIC
    made.service.stop()


def test_a_start_from_a_copy_waits_for_what_has_changed_meanwhile(tmp_path: Path) -> None:
    before = make_kit(tmp_path)
    before.stock()
    made = make_kit(tmp_path, start_seconds=5.0)
    made.catalogue.put_many([replace(item, title=f"New {item.id}") for item in ITEMS])
    made.catalogue.put_shelves({"popular": tuple(item.id for item in ITEMS)})
    assert made.catalogue.version() == before.catalogue.version()
    made.fail(lambda: time.sleep(0.1))  # slow, as a large catalogue is
    made.service.start()
    made.fail(None)
    slate = asyncio.run(made.service.recommend(Ask(customer=ANNA, block="hero")))
    assert slate.served_by is Rung.POPULAR
    assert all(item.title == f"New {item.id}" for item in slate.items)
    made.service.stop()


def test_a_stopped_service_is_not_ready(tmp_path: Path) -> None:
    made = make_kit(tmp_path)
    made.service.start()
    made.service.stop()
    assert not made.service.status().ready


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (Ask(customer=ANNA, block="nope"), "choose among hero, second, again"),
        (Ask(customer=ANNA, block="hero", n=0), "send 1 to 50"),
        (Ask(customer=ANNA, block="hero", n=51), "send 1 to 50"),
        (Ask(customer=ANNA, block="hero", send="a\nb"), "printable"),
        (Ask(customer=ANNA, block="hero", send="x" * 201), "printable"),
    ],
)
def test_an_ask_that_cannot_be_used_is_refused(kit: Kit, ask: Ask, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        asyncio.run(kit.service.recommend(ask))
    with pytest.raises(InvalidArgument, match=message):
        asyncio.run(kit.service.answer_many([ask]))


def test_a_batch_has_at_least_one_and_at_most_a_thousand(kit: Kit) -> None:
    with pytest.raises(InvalidArgument, match="name at least one"):
        asyncio.run(kit.service.answer_many([]))
    asks = [Ask(customer=ANNA, block="hero")] * (MAX_CUSTOMERS + 1)
    with pytest.raises(TooLarge, match="1001 customers: more than 1000"):
        asyncio.run(kit.service.answer_many(asks))


def test_similar_items_come_from_the_model(kit: Kit) -> None:
    kit.stock()
    kit.promote("2")
    found = asyncio.run(kit.service.similar("bread", 1))
    assert [item.id for item in found.items] == ["cream"]
    assert (found.served_by, found.model, found.count) == (Rung.MODEL, "recommender/2", 1)


def test_similar_items_must_be_in_stock(kit: Kit) -> None:
    kit.stock(*(item for item in ITEMS if item.id != "cream"))
    kit.promote("2")
    assert [item.id for item in asyncio.run(kit.service.similar("bread", 5)).items] == ["dates"]


def test_an_item_that_the_model_does_not_know_is_like_the_popular_of_its_category(
    kit: Kit,
) -> None:
    saw = Item(id="saw", title="Saw", categories=("tools",))
    pie = Item(id="pie", title="Pie", categories=("food",))
    kit.stock(*ITEMS, saw, pie, popular=("saw", "gone", "pie", "eggs", "bread"))
    kit.promote("2")
    found = asyncio.run(kit.service.similar("pie", 2))
    assert [item.id for item in found.items] == ["eggs", "bread"]
    assert (found.served_by, found.model) == (Rung.POPULAR, None)


def test_an_item_that_nobody_knows_is_not_found(kit: Kit) -> None:
    with pytest.raises(NotFound, match=r"item = 'nothing': no such item; add it"):
        asyncio.run(kit.service.similar("nothing", 3))
    with pytest.raises(InvalidArgument):
        asyncio.run(kit.service.similar("nothing", 0))


def test_a_model_without_a_catalogue_has_nothing_alike_to_draw(kit: Kit) -> None:
    kit.promote("2")
    assert asyncio.run(kit.service.similar("bread", 3)).items == ()


def test_scores_are_what_was_published(kit: Kit) -> None:
    published = Published(
        at=7,
        scores={"churn": 0.25},
        bands={"churn": "low"},
        segment="loyal",
        affinities={"food": 0.75},
        drivers={"recency_days": 1.25},
        next_best=NextBest("rest", "Has unsubscribed or complained."),
    )
    kit.know(ANNA, "bread", published=published)
    scores = asyncio.run(kit.service.scores(ANNA))
    assert (scores.at, scores.scores, scores.bands) == (7, {"churn": 0.25}, {"churn": "low"})
    assert (scores.affinities, scores.next_best) == (published.affinities, published.next_best)
    assert scores.drivers == {"recency_days": 1.25}
    with pytest.raises(NotFound, match="not known"):
        asyncio.run(kit.service.scores(BERT))
    kit.fail()
    with pytest.raises(StoreUnavailable):
        asyncio.run(kit.service.scores(ANNA))


def test_events_are_in_the_log_when_they_are_accepted(kit: Kit) -> None:
    event = purchase(ANNA, "bread")
    assert asyncio.run(kit.service.accept([event])) == 1
    assert [decode_event(entry.body) for entry in kit.log.take("r", 10)] == [event]


def test_a_log_that_refuses_or_hangs_accepts_nothing(
    kit: Kit, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> None:
        message = "disk full"
        raise StoreUnavailable(message)

    kit.log.fault = refuse
    with pytest.raises(StoreUnavailable, match="disk full"):
        asyncio.run(kit.service.accept([purchase(ANNA, "bread")]))
    monkeypatch.setattr("serving.service.WRITE_SECONDS", 0.05)
    kit.log.fault = lambda: time.sleep(0.3)
    with pytest.raises(StoreUnavailable, match="did not answer within"):
        asyncio.run(kit.service.accept([purchase(ANNA, "bread")]))


def test_status_survives_a_broken_key_file(kit: Kit) -> None:
    kit.parts.keys.create("shop", ["events"])
    assert kit.service.status().keys == 1
    (kit.registry.home / "keys.json").write_text("{")
    assert kit.service.status().keys == 0
