from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from features.errors import InvalidArgument, SettingsError
from homing.declaring import Variables, filled
from homing.sync.command import PREFIX, READY
from homing.sync.declared import find_declared, load_declared, parse_declared

TEXT = """
name = "shop"
[sql]
table = "orders"
[rows]
customer = "who"
columns = { order_id = "id", at = "at", sku = "lines[0].sku" }
[event]
customer = "customer"
type = "purchase"
time = "at"
item = "sku"
id = ["order_id"]
"""
REST = TEXT.replace('[sql]\ntable = "orders"', '[rest]\nurl = "u"\npath = "{cursor}"')


def test_what_is_ready_makes_sense() -> None:
    names = {path.stem for path in READY.glob("*.toml")}
    assert names == {"ga4", "ga4-bigquery", "hubspot", "mixpanel", "salesforce", "shopify"}
    for name in names:
        assert load_declared(READY / f"{name}.toml").name == name


def test_a_file_of_the_shops_own_comes_first(tmp_path: Path) -> None:
    (tmp_path / "shopify.toml").write_text(TEXT)
    assert find_declared("shopify", tmp_path, READY).name == "shop"
    assert find_declared("shopify", None, READY).name == "shopify"


@pytest.mark.parametrize("name", ["nobody", "../secrets", ""])
def test_a_source_that_there_is_not_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="choose ga4, ga4-bigquery, hubspot"):
        find_declared(name, tmp_path, READY)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('name = "shop"', 'name = "My Shop"', "not a usable name"),
        ("[sql]", '[rest]\nurl = "u"\npath = "p"\n[sql]', "not one place"),
        ('table = "orders"', 'table = "orders"\nchunk = 0', "too small"),
        ('table = "orders"', 'table = "orders"\nquery = "SELECT 1"', "not one thing"),
        ('table = "orders"', "", "not one thing"),
        ('table = "orders"', 'query = "SELECT 1"\nschema = "s"', "of a table alone"),
        ('table = "orders"', 'query = "SELECT :cursor"', "say where to begin"),
        ("order_id =", "orderId =", "not a usable name"),
        ("order_id =", "row_said =", "not a usable name"),
        ('at = "at"', 'at = "at..x"', "not a path"),
        ('at = "at"', 'at = "who"', "would keep the customer's id"),
        ('customer = "who"', 'customer = "who"\nnumbers = ["paid"]', "no such columns"),
        ('customer = "who"', "", "missing"),
        ('customer = "customer"', 'customer = "at"', "not the column of keys"),
        ('id = ["order_id"]', "", "missing"),
        ('id = ["order_id"]', 'id = ["order_id", "customer"]', "would keep the customer's id"),
    ],
)
def test_what_makes_no_sense_is_refused(old: str, new: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        parse_declared(TEXT.replace(old, new), "shop.toml")


@pytest.mark.parametrize(
    ("each", "customer", "column"),
    [
        ("", "who", "$.who"),
        ("", "$.who", "who"),
        ("", "who.id", "who"),
        ("", "people[0].id", "people"),
        ("lines", "$.who.id", "$.who"),
        ("lines", "who", "$.lines"),
        ("lines", "who", "$.lines[3].who"),
        ("$.order.lines", "$.order.lines[0].who", "who"),
    ],
)
def test_no_column_holds_the_customers_id_however_its_path_is_written(
    each: str, customer: str, column: str
) -> None:
    told = TEXT.replace('customer = "who"', f'customer = "{customer}"')
    told = told.replace("[rows]", f'[rows]\neach = "{each}"') if each else told
    parse_declared(told, "shop.toml")
    with pytest.raises(InvalidArgument, match="would keep the customer's id"):
        parse_declared(told.replace('at = "at"', f'at = "{column}"', 1), "shop.toml")


def test_rates_are_read_beside_the_file_that_names_them(tmp_path: Path) -> None:
    (tmp_path / "rates.csv").write_text("date,currency,rate\n2026-01-01,USD,0.8\n")
    money = (
        'value = "sku"\ncurrency = {constant = "USD"}\n[currency]\nto = "GBP"\nfile = "rates.csv"'
    )
    (tmp_path / "shop.toml").write_text(TEXT + money)
    rates = load_declared(tmp_path / "shop.toml").mapping().rates()
    assert rates is not None
    assert rates.worth(10, "USD", date(2026, 2, 1)) == 8
    (tmp_path / "rates.csv").unlink()
    with pytest.raises(InvalidArgument, match=r"rates\.csv"):
        load_declared(tmp_path / "shop.toml")


def test_a_cursor_that_is_asked_for_must_begin_somewhere() -> None:
    with pytest.raises(InvalidArgument, match="say where to begin"):
        parse_declared(REST, "shop.toml")
    parse_declared(REST + '[cursor]\nfield = "at"\nfirst = "2026-01-01"', "shop.toml")


def test_rules_need_names_of_their_own_and_events() -> None:
    rule = '\n[[contract]]\nrule = "r"\nbroken = { column = "sku", empty = true }'
    reject = rule.replace("[[contract]]", "[[event.reject]]").replace("rule", "reason")
    reject = reject.replace("broken", "when")
    contract = parse_declared(TEXT + rule, "shop.toml").mapping().contract
    assert [one.rule for one in contract] == ["r"]
    for twice in (rule + rule, reject + rule):
        with pytest.raises(InvalidArgument, match="a name comes twice"):
            parse_declared(TEXT + twice, "shop.toml")
    items = TEXT.partition("[event]")[0] + '[items]\nid = "sku"\ntitle = "sku"'
    parse_declared(items, "shop.toml")
    with pytest.raises(InvalidArgument, match="it is about events"):
        parse_declared(items + rule, "shop.toml")


def test_variables_stand_in_texts_wherever_they_are(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(" hush\n")
    environ = {"HOMING_SYNC_MY_SHOP_NAME": "ann", "HOMING_SYNC_MY_SHOP_TOKEN_FILE": "token"}
    environ["HOMING_SYNC_MY_SHOP_TOKEN_FILE"] = str(tmp_path / "token")
    given = {"url": "https://{NAME}.example/", "list": ["{TOKEN}", 5, "{cursor}"]}
    made = filled(given, Variables(PREFIX, "my-shop", environ).get)
    assert json.dumps(made) == json.dumps(
        {"url": "https://ann.example/", "list": ["hush", 5, "{cursor}"]}
    )


def test_a_variable_is_set_once_and_its_file_can_be_read(tmp_path: Path) -> None:
    name = "HOMING_SYNC_SHOP_TOKEN"
    for environ, said in (
        ({}, "is not set"),
        ({name: "a", f"{name}_FILE": "b"}, "are both set"),
        ({f"{name}_FILE": str(tmp_path)}, "can't be read"),
    ):
        with pytest.raises(SettingsError, match=said):
            Variables(PREFIX, "shop", environ).get("TOKEN")
