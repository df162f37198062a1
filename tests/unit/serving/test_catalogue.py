from __future__ import annotations

from structlog.testing import capture_logs

from features.item import Item
from serving.refresh import CatalogueFollower
from tests.unit.serving.kit import ITEMS, NAMES, Kit, make_kit


def shown(kit: Kit) -> tuple[str, ...]:
    copy = kit.parts.current.snapshot.catalogue
    return () if copy is None else tuple(copy.items)


def test_a_shelf_that_names_an_item_twice_shows_it_once(kit: Kit) -> None:
    kit.stock(popular=("eggs", "eggs", "bread"))
    copy = kit.parts.current.snapshot.catalogue
    assert copy is not None
    assert tuple(copy.shelves["popular"].items) == ("eggs", "bread")


def test_it_is_read_again_only_when_it_changes(kit: Kit) -> None:
    kit.stock()
    kit.catalogue.calls.clear()
    kit.parts.catalogue.look()
    assert kit.catalogue.calls == ["version"]
    kit.catalogue.put_many([Item(id="grapes", title="Grapes")])
    kit.parts.catalogue.look()
    assert "grapes" in shown(kit)


def test_a_store_that_is_down_leaves_the_copy(kit: Kit) -> None:
    kit.stock()
    kit.fail()
    kit.parts.catalogue.look()
    assert shown(kit) == tuple(item.id for item in ITEMS)
    assert not kit.parts.catalogue.store_up
    kit.fail(None)
    kit.parts.catalogue.look()
    assert kit.parts.catalogue.store_up


def test_a_store_that_bursts_counts_as_down(kit: Kit) -> None:
    def burst() -> None:
        raise ZeroDivisionError

    kit.stock()
    kit.fail(burst)
    kit.parts.catalogue.look()
    assert not kit.parts.catalogue.store_up


def test_a_start_without_the_store_has_the_copy_on_disk(kit: Kit) -> None:
    kit.stock()
    again = make_kit(kit.registry.home)
    assert again.parts.catalogue.load_local()
    assert shown(again) == NAMES
    # The store has another version, so its own catalogue replaces the copy.
    again.catalogue.put_many([Item(id="grapes", title="Grapes")])
    again.parts.catalogue.look()
    assert shown(again) == ("grapes",)


def test_a_start_with_nothing_has_nothing(kit: Kit) -> None:
    assert not kit.parts.catalogue.load_local()


def test_an_item_that_is_put_is_there_at_once_and_in_the_store(kit: Kit) -> None:
    kit.stock()
    assert kit.parts.catalogue.put([Item(id="grapes", title="Grapes")]) == 1
    assert "grapes" in shown(kit)
    assert kit.catalogue.get_many(["grapes"])["grapes"].title == "Grapes"


def test_an_item_that_is_put_before_anything_was_read_waits_for_the_reading(kit: Kit) -> None:
    kit.parts.catalogue.put([Item(id="grapes", title="Grapes")])
    assert shown(kit) == ()
    kit.parts.catalogue.look()
    assert shown(kit) == ("grapes",)


def test_what_is_put_out_of_stock_leaves_the_models_view_at_once(kit: Kit) -> None:
    kit.stock()
    kit.promote("1")
    kit.parts.catalogue.put([Item(id="bread", title="Bread", in_stock=False)])
    view = kit.parts.current.snapshot.view
    assert view is not None
    assert not view.available(kit.clock.now())[view.index["bread"]]


def test_another_version_that_says_the_same_leaves_everything_in_place(kit: Kit) -> None:
    kit.stock()
    kit.promote("1")
    before = kit.parts.current.snapshot
    kit.catalogue.put_many([ITEMS[0]])
    kit.parts.catalogue.look()
    after = kit.parts.current.snapshot
    assert after.catalogue is not None
    assert before.catalogue is not None
    assert after.catalogue.version == before.catalogue.version + 1
    assert after.view is before.view


def test_what_was_put_over_the_packed_items_is_packed_with_them_soon(kit: Kit) -> None:
    kit.stock()
    kit.parts.catalogue.put([Item(id="grapes", title="Grapes")])
    over = kit.parts.current.snapshot.catalogue
    assert over is not None
    assert over.items.over is not None
    kit.parts.catalogue.look()
    packed = kit.parts.current.snapshot.catalogue
    assert packed is not None
    assert (packed.items.over, packed.digest) == (None, over.digest)


def test_a_catalogue_that_another_worker_has_read_is_not_read_again(kit: Kit) -> None:
    kit.stock()
    made = make_kit(kit.registry.home)
    other = CatalogueFollower(
        kit.parts.stores,
        made.parts.current,
        made.parts.breaker,
        kit.parts.catalogue._local,
        made.parts.metrics,
    )
    kit.catalogue.calls.clear()
    other.look()
    assert set(kit.catalogue.calls) == {"version"}
    assert shown(made) == NAMES


def test_a_worker_leaves_the_reading_to_one_that_is_at_it(kit: Kit) -> None:
    kit.stock()
    kit.catalogue.put_many([Item(id="grapes", title="Grapes")])
    with kit.parts.catalogue._local.turn(wait=False):
        kit.parts.catalogue.look()
        assert shown(kit) == NAMES
    kit.parts.catalogue.look()
    assert "grapes" in shown(kit)


def test_a_store_that_lost_its_items_leaves_the_copy_until_it_is_filled_again(kit: Kit) -> None:
    kit.stock()
    again = make_kit(kit.registry.home)
    assert again.parts.catalogue.load_local()
    with capture_logs() as logs:
        again.parts.catalogue.look()
        again.parts.catalogue.look()
    assert shown(again) == NAMES
    assert [line["log_level"] for line in logs] == ["error"]
    assert make_kit(kit.registry.home).parts.catalogue.load_local()
    again.stock(Item(id="grapes", title="Grapes"))
    assert shown(again) == ("grapes",)
