from __future__ import annotations

from pathlib import Path

import pytest

from features.errors import InvalidArgument
from features.event import EventType
from features.mapping import load_mapping, parse_mapping
from homing.mappings import NAMES, packaged

LEAST = """
name = "shop"
[event]
customer = "who"
item = "what"
type = "purchase"
time = { column = "when", zone = "UTC" }
"""


@pytest.mark.parametrize("name", NAMES)
def test_the_mappings_that_come_along_are_sound(name: str) -> None:
    assert packaged(name).event is not None


def test_the_least_mapping_is_read(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_text(LEAST)
    mapping = load_mapping(file)
    assert mapping.event is not None
    assert (mapping.name, mapping.event.type) == ("shop", EventType.PURCHASE)


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("name", "nome", "unknown field `nome`"),
        ('name = "shop"', "name = 7", "m.toml: name = 7: Expected `str`, got `int`"),
        ('"purchase"', '"bought"', "m.toml: event.type = 'bought': Invalid enum value"),
        ('"shop"', '""', "m.toml: name = '': not a usable name"),
        ('"shop"', f'"{"x" * 61}"', "not a usable name"),
        ('"UTC"', '"Mars/Olympus"', "m.toml: event.time.zone = 'Mars/Olympus': no such zone"),
        ('"UTC"', '"../etc"', "no such zone"),
        ('"UTC"', '"Europe"', "no such zone"),
        ("[event]", "event", "not TOML"),
        ("[event]", f"more = {'[' * 5000}", "not TOML"),
        ("[event]", f"more = {'9' * 5000}", "not TOML"),
        (
            'type = "purchase"',
            'type = "purchase"\ncurrency = {constant = "pounds"}',
            "not a currency code",
        ),
        ('type = "purchase"', 'type = "purchase"\nid = ["who"]', "keep the customer's id"),
        ('customer = "who"', 'customer = {sql = "who"}\nid = ["n"]', "keep the customer's id"),
        (
            'type = "purchase"',
            'type = "purchase"\n[[event.rules]]\ntype = "view"\nwhen = 3',
            r"event.rules\[0\].when = 3",
        ),
    ],
)
def test_a_bad_mapping_names_file_key_value_and_cure(old: str, new: str, says: str) -> None:
    with pytest.raises(InvalidArgument, match=says):
        parse_mapping(LEAST.replace(old, new, 1), "m.toml")


def test_a_mapping_of_nothing_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="maps nothing"):
        parse_mapping('name = "shop"', "m.toml")


def test_a_missing_mapping_is_a_declared_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match="can't be read"):
        load_mapping(tmp_path / "none.toml")


def test_a_mapping_in_another_encoding_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "m.toml"
    file.write_bytes(LEAST.replace("shop", "caf\u00e9").encode("latin-1"))
    with pytest.raises(InvalidArgument, match="not UTF-8"):
        load_mapping(file)
