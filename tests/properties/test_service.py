"""Whatever happens, in whatever order: every answer is full, lawful, and the same for a mail."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from features.item import Item
from features.override import Action, Override
from features.profile import history_of
from serving.slate import Ask, Rung
from tests.unit.serving.kit import ANNA, BERT, ITEMS, NAMES, NOW, make_kit, purchase, slates

CUSTOMER = st.sampled_from((ANNA, BERT))
BLOCK = st.sampled_from(("hero", "second", "again"))
NAME = st.sampled_from(NAMES)
STATIC = tuple(Item(id=f"gift-{number}", title="A gift") for number in range(12))


class Scorer(RuleBasedStateMachine):
    """A scorer, what it should know, and what it has shown."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.kit = make_kit(Path(self.folder.name))
        for block in tuple(self.kit.parts.current.snapshot.blocks.values()):
            self.kit.configure(msgspec.structs.replace(block, items=STATIC))
        self.kit.stock()
        self.items = {item.id: item for item in (*STATIC, *ITEMS)}
        self.banned: set[str] = set()
        self.owned: dict[str, set[str]] = {ANNA: set(), BERT: set()}
        self.shown: dict[tuple[str, str], dict[str, list[str]]] = {}
        self.slates: dict[tuple[str, str, str], str] = {}
        self.number = 0
        self.up = True

    def teardown(self) -> None:
        self.kit.service.stop()
        self.folder.cleanup()

    @rule(customer=CUSTOMER, block=BLOCK, send=st.sampled_from((None, "a", "b")))
    def fetch(self, customer: str, block: str, send: str | None) -> None:
        ask = Ask(customer=customer, block=block, send=send)
        slate = asyncio.run(self.kit.service.recommend(ask))
        ids = [item.id for item in slate.items]
        size = self.kit.parts.current.snapshot.blocks[block].size
        assert len(ids) == len(set(ids)) == slate.count
        assert all(self.may_come(name) for name in ids)
        mail = {} if send is None else self.shown.setdefault((customer, send), {})
        before = mail.setdefault(block, [])
        stands = [name for name in before if self.may_come(name)][:size]
        assert ids[: len(stands)] == stands
        others = {name for other, names in mail.items() if other != block for name in names}
        fresh = ids[len(stands) :]
        assert others.isdisjoint(fresh)
        if slate.served_by is Rung.MODEL and not before and block != "again":
            assert self.owned[customer].isdisjoint(ids)
        left = {name for name in self.items if self.may_come(name)} - others - set(before)
        assert len(ids) == size or not left - self.owned[customer]
        before += fresh
        if send is not None:
            assert self.slates.setdefault((customer, send, block), slate.slate) == slate.slate

    @precondition(lambda self: self.slates)
    @rule(data=st.data())
    def fetch_again(self, data: st.DataObject) -> None:
        customer, send, block = data.draw(st.sampled_from(sorted(self.slates)))
        self.fetch(customer, block, send)

    @precondition(lambda self: self.up)
    @rule(customer=CUSTOMER, item=NAME)
    def buy(self, customer: str, item: str) -> None:
        self.number += 1
        self.kit.profiles.fold({customer: history_of([purchase(customer, item, self.number)])})
        self.owned[customer].add(item)

    @precondition(lambda self: self.up)
    @rule(customer=CUSTOMER, items=st.lists(NAME, max_size=6, unique=True))
    def publish(self, customer: str, items: list[str]) -> None:
        self.kit.profiles.publish({customer: slates(hero=tuple(items))})

    @precondition(lambda self: self.up)
    @rule(item=NAME, in_stock=st.booleans())
    def restock(self, item: str, in_stock: bool) -> None:  # noqa: FBT001 - drawn
        changed = msgspec.structs.replace(self.items[item], in_stock=in_stock)
        asyncio.run(self.kit.service.put_items([changed]))
        self.items[item] = changed

    @precondition(lambda self: self.up)
    @rule(item=st.sampled_from((*NAMES, STATIC[0].id)))
    def ban(self, item: str) -> None:
        made = Override(id=item, action=Action.BAN, item=item, created_at=NOW)
        asyncio.run(self.kit.service.put_overrides([made]))
        self.banned.add(item)

    @precondition(lambda self: self.up and self.banned)
    @rule()
    def lift_a_ban(self) -> None:
        asyncio.run(self.kit.service.drop_override(self.banned.pop()))

    @rule()
    def promote(self) -> None:
        self.number += 1
        self.kit.promote(str(self.number))

    @rule()
    def fail(self) -> None:
        self.kit.fail()
        self.up = False

    @rule()
    def mend(self) -> None:
        self.kit.fail(None)
        self.kit.parts.catalogue.look()
        self.up = True

    @invariant()
    def nothing_unforeseen_happened(self) -> None:
        registry = self.kit.parts.metrics.registry
        assert not registry.get_sample_value("homing_internal_errors_total")

    def may_come(self, item: str) -> bool:
        return self.items[item].available_at(NOW) and item not in self.banned


Scorer.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestScorer = Scorer.TestCase
