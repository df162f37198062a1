from __future__ import annotations

import asyncio

from features.item import Item
from serving.ranking.blocks import Block
from serving.slate import Ask, Because, Reason, Rung, Slate
from tests.unit.serving.kit import ANNA, BERT, ITEMS, STATIC, Kit, slates


def ask(kit: Kit, customer: str = ANNA, block: str = "hero", n: int | None = None) -> Slate:
    return asyncio.run(kit.service.recommend(Ask(customer=customer, block=block, n=n)))


def ids(slate: Slate) -> list[str]:
    assert slate.count == len(slate.items)
    assert [item.position for item in slate.items] == list(range(1, slate.count + 1))
    return [item.id for item in slate.items]


def test_the_model_answers_a_customer_whom_it_knows(kit: Kit) -> None:
    kit.stock()
    kit.promote("12")
    kit.know(ANNA, "bread")
    slate = ask(kit)
    assert ids(slate) == ["cream", "dates"]
    assert (slate.served_by, slate.reason, slate.model) == (Rung.MODEL, None, "recommender/12")
    assert slate.items[0].because == Because("bought", "bread")


def test_items_are_drawn_from_the_catalogue(kit: Kit) -> None:
    kit.stock()
    item = ask(kit).items[0]
    assert (item.title, item.price, item.currency) == ("Apple", 1.0, "GBP")


def test_what_is_owned_never_comes_back(kit: Kit) -> None:
    kit.stock()
    kit.promote("1")
    kit.know(ANNA, "bread", "cream")
    assert ids(ask(kit, n=6)) == ["dates", "eggs", "apple", "flour", "static-0", "static-1"]


def test_a_block_may_allow_repeats(kit: Kit) -> None:
    kit.stock()
    kit.promote("1")
    kit.know(ANNA, "bread", "cream")
    assert "bread" in ids(ask(kit, block="again", n=6))


def test_a_short_model_is_filled_up_and_says_so(kit: Kit) -> None:
    kit.stock()
    kit.promote("1")
    kit.know(ANNA, "apple")
    slate = ask(kit, n=7)
    assert ids(slate)[-2:] == ["static-0", "static-1"]
    assert (slate.served_by, slate.reason) == (Rung.MODEL, Reason.TOO_FEW)


def test_without_a_model_the_stored_slate_answers(kit: Kit) -> None:
    kit.stock()
    kit.know(ANNA, "bread", published=slates(hero=("flour", "eggs")))
    slate = ask(kit)
    assert ids(slate) == ["flour", "eggs"]
    assert (slate.served_by, slate.reason) == (Rung.PROFILE, Reason.NO_MODEL)
    assert slate.model == "recommender/7"


def test_a_stored_slate_loses_what_was_bought_since(kit: Kit) -> None:
    kit.stock()
    kit.know(ANNA, "flour", published=slates(hero=("flour", "eggs")))
    assert ids(ask(kit)) == ["eggs", "apple"]


def test_a_customer_without_history_gets_the_segment_or_the_stored_slate(kit: Kit) -> None:
    kit.stock()
    kit.catalogue.put_shelves({"segment:loyal": ("dates", "cream")})
    kit.parts.catalogue.look()
    kit.promote("1")
    kit.know(ANNA, published=slates())
    slate = ask(kit)
    assert ids(slate) == ["dates", "cream"]
    assert (slate.served_by, slate.reason) == (Rung.SEGMENT, Reason.NO_HISTORY)


def test_an_unknown_customer_gets_what_is_popular(kit: Kit) -> None:
    kit.stock(popular=("eggs", "bread", "apple"))
    kit.promote("1")
    slate = ask(kit, customer=BERT)
    assert ids(slate) == ["eggs", "bread"]
    assert (slate.served_by, slate.reason, slate.model) == (Rung.POPULAR, Reason.UNKNOWN, None)


def test_popular_comes_from_the_model_before_anything_is_published(kit: Kit) -> None:
    kit.stock(popular=())
    kit.promote("3")
    slate = ask(kit, customer=BERT)
    assert ids(slate) == ["apple", "bread"]
    assert (slate.served_by, slate.model) == (Rung.POPULAR, "recommender/3")


def test_with_nothing_at_all_the_static_items_answer(kit: Kit) -> None:
    slate = ask(kit)
    assert ids(slate) == ["static-0", "static-1"]
    assert (slate.served_by, slate.reason) == (Rung.STATIC, Reason.UNKNOWN)
    assert slate.items[0].title == STATIC[0].title


def test_static_items_need_not_be_of_the_blocks_categories(kit: Kit) -> None:
    shelves = {"home": ("home",), "food": ("food",)}
    for name, categories in shelves.items():
        block = Block(name=name, size=4, categories=categories, items=STATIC)
        kit.configure(block)
    kit.stock(*ITEMS[:2])
    assert ids(ask(kit, block="home")) == ["static-0", "static-1", "static-2"]
    assert ids(ask(kit, block="food")) == ["apple", "bread", "static-0", "static-1"]


def test_what_is_out_of_stock_is_on_no_rung(kit: Kit) -> None:
    gone = tuple(Item(id=item.id, title=item.title, in_stock=False) for item in ITEMS)
    kit.stock(*gone, Item(id="static-0", title="Static", in_stock=False))
    kit.promote("1")
    kit.know(ANNA, "bread", published=slates(hero=("eggs",)))
    assert ids(ask(kit)) == ["static-1", "static-2"]


def test_a_model_without_a_catalogue_can_draw_nothing(kit: Kit) -> None:
    kit.promote("1")
    kit.know(ANNA, "bread")
    assert ask(kit).served_by is Rung.STATIC


def test_a_cap_counts_over_all_rungs_of_a_slate(kit: Kit) -> None:
    tools = [Item(id=f"tool-{n}", title="Tool", categories=("tools",)) for n in range(3)]
    popular = ("dates", "cream", "tool-0", "tool-1", "tool-2")
    kit.stock(*ITEMS, *tools, popular=popular)
    kit.know(ANNA, published=slates(capped=("apple", "bread")))
    block = Block(name="capped", size=4, category_cap=2, items=STATIC)
    kit.configure(block)
    assert ids(ask(kit, block="capped")) == ["apple", "bread", "tool-0", "tool-1"]
