"""What `[changes]` may say, and what a row's state means."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from features.errors import InvalidArgument
from homing.follow.declared import Declared, parse_declared
from homing.follow.tables import Changes, columns_of, is_told

FILE = """
name = "shop-1"

[changes]
tables = ["orders"]
state = "status"
states = { paid = "bought", refunded = "returned", deleted = "returned" }
time = "ordered_at"

[event]
type = { path = "kind", values = { bought = "purchase" }, others = "leave out" }
id = ["row.id", "kind"]
customer = "row.customer"
time = "at"
item = "row.sku"
"""


def declared(*changes: tuple[str, str]) -> Declared:
    text = FILE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return parse_declared(text, "shop.toml")


def changes_of(*changes: tuple[str, str]) -> Changes:
    found = declared(*changes).changes
    assert found is not None
    return found


def test_a_table_is_of_the_schema_that_stands_before_it_or_of_the_usual_one() -> None:
    tables = ('["orders"]', '["orders", "old.orders"]')
    ids = ('"row.id", "kind"', '"table", "row.id", "kind"')
    assert changes_of(tables, ids).names() == ("public.orders", "old.orders")
    given = (tables[0], tables[1] + '\nschema = "shop"')
    assert changes_of(given, ids).names() == ("shop.orders", "old.orders")


def test_slot_and_publication_are_called_after_the_source_unless_they_have_names() -> None:
    changes = changes_of()
    assert (changes.slot_of("shop-1"), changes.publication_of("shop-1")) == ("homing_shop_1",) * 2
    named = changes_of(("[changes]", '[changes]\nslot = "mine"\npublication = "theirs"'))
    assert (named.slot_of("shop-1"), named.publication_of("shop-1")) == ("mine", "theirs")


@pytest.mark.parametrize(
    ("op", "state", "kind"),
    [
        ("created", "paid", "bought"),
        ("updated", "refunded", "returned"),
        ("updated", "packed", "packed"),
        ("updated", 3, "3"),
        ("updated", None, ""),
        ("deleted", "paid", "returned"),
    ],
)
def test_a_state_means_what_the_file_says_or_itself(op: str, state: object, kind: str) -> None:
    assert changes_of().kind_of(op, {"status": state}) == kind


def test_without_a_state_what_happened_counts_and_a_row_that_was_there_was_created() -> None:
    changes = Changes(tables=("orders",))
    found = [changes.kind_of(op, {}) for op in ("read", "created", "updated", "deleted")]
    assert found == ["created", "created", "updated", "deleted"]


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('["orders"]', "[]", "changes.tables"),
        ('["orders"]', '["a.b.c"]', "not a table's name"),
        ('["orders"]', '["or\\"ders"]', "not a table's name"),
        ('["orders"]', '["orders", "gifts"]', "rows of several tables"),
        ("[changes]", '[changes]\nslot = "Mine"', "not a slot's name"),
        ("[changes]", "[changes]\nmemory = 20", "too little for Java"),
        ('state = "status"', "", "states of no column"),
        ('["row.id", "kind"]', '["kind"]', "does not name the row"),
        ('id = ["row.id", "kind"]', "", "does not name the row"),
        ('["row.id", "kind"]', '["row.id", "op"]', "op differs"),
        ('["row.id", "kind"]', '["row.id", "position"]', "position differs"),
        ('time = "ordered_at"\n', "", "name the column"),
    ],
)
def test_what_could_not_be_followed_or_would_count_twice_is_refused(
    old: str, new: str, words: str
) -> None:
    with pytest.raises(InvalidArgument, match=words):
        declared((old, new))


def test_without_a_first_look_positions_and_times_of_commits_will_do() -> None:
    never = ('time = "ordered_at"\n', 'snapshot = "never"\n')
    assert changes_of(never, ('"row.id", "kind"', '"row.id", "position"')).snapshot == "never"


def test_columns_that_events_are_made_of_are_known_with_lists_in_them_too() -> None:
    event = declared(
        ("[event]", '[event]\neach = "row.lines"\ncurrency = { constant = "GBP" }'),
        ('"row.id", "kind"', '"$.row.id", "no", "$.kind"'),
        ('"row.customer"', '["$.row.customer", "$.before.customer"]'),
        ('time = "at"', 'time = { path = "$.row.at" }'),
        ('"row.sku"', '"sku"'),
        ('path = "kind"', 'path = "$.kind"'),
    ).event
    row, before = columns_of(event)
    assert (set(row), set(before)) == ({"id", "customer", "at", "lines"}, {"customer"})


def test_what_the_type_leaves_out_is_not_told() -> None:
    event = declared().event
    assert is_told("bought", "created", event)
    assert not is_told("returned", "deleted", event)
    by_op = declared(('path = "kind", values = { bought', 'path = "op", values = { created')).event
    assert is_told("any", "created", by_op)
    assert not is_told("any", "deleted", by_op)
    assert is_told("any", "deleted", declared((', others = "leave out"', "")).event)


def test_the_file_of_the_page_can_be_used_and_its_table_has_every_key() -> None:
    page = (Path(__file__).parents[4] / "docs" / "following.md").read_text()
    section = page.partition("## A database's changes")[2].partition("\n## ")[0]
    text = re.findall(r"```toml\n(.*?)```", section, re.DOTALL)[0]
    assert parse_declared(text, "shop.toml").changes is not None
    keys = section.partition("| key |")[2]
    told = {
        key for cell in re.findall(r"^\| (`.*?) \|", keys, re.MULTILINE) for key in cell.split(", ")
    }
    assert {key.strip("`") for key in told} == set(Changes.__struct_fields__)
