from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InvalidArgument
from features.repairs import load_repair, parse_repair, repaired
from features.stores.codec import decode_event, encode_event
from tests.unit.features.making import event


def mended(payload: object, repair: str) -> Any:  # noqa: ANN401 - any JSON
    body = json.dumps(payload).encode()
    return json.loads(repaired(body, parse_repair(repair, "r.toml"), packed=False))


def test_fields_are_set_to_constants_and_to_what_is_elsewhere() -> None:
    told = '[set]\ncurrency = {constant = "GBP"}\n"a.b[1].c" = "x.id"\nnew.deep = "missing"'
    payload = {"x": {"id": 7}, "a": {"b": [0, {"c": 1, "d": 2}]}}
    assert mended(payload, told.replace("new.deep", '"new.deep"')) == {
        "x": {"id": 7},
        "a": {"b": [0, {"c": 7, "d": 2}]},
        "currency": "GBP",
    }


def test_tables_that_are_missing_on_the_way_are_made() -> None:
    assert mended({}, '[set]\n"a.b.c" = {constant = 1}') == {"a": {"b": {"c": 1}}}


def test_numbers_are_scaled_and_lose_their_sign_and_ids_stay_whole() -> None:
    told = '[set]\na = {path = "p", times = 0.01}\nb = {path = "p", absolute = true}\nc = "t"'
    assert mended({"p": -1999, "t": True}, told) == {
        "p": -1999,
        "t": True,
        "a": -19.99,
        "b": 1999,
        "c": True,
    }


def test_values_are_taken_before_fields_are_removed() -> None:
    told = 'remove = ["old", "l[0]", "l[9]", "no.where", "l.x", "old[0]"]\n[set]\nnew = "old"'
    assert mended({"old": 1, "l": [1, 2]}, told) == {"new": 1, "l": [2]}


def test_what_has_no_such_place_stays_as_it_is() -> None:
    told = '[set]\n"l[5]" = {constant = 1}\n"l.x" = {constant = 1}\n"l[0].y" = {constant = 1}'
    assert mended({"l": [3]}, told) == {"l": [3]}
    assert mended([3], '[set]\n"[0]" = {constant = 1}') == [1]


def test_an_event_of_the_log_is_mended_too() -> None:
    broken = event("e-1", currency="pounds")
    repair = parse_repair('[set]\ncurrency = {constant = "GBP"}', "r.toml")
    assert decode_event(repaired(encode_event(broken), repair, packed=True)) == event(
        "e-1", currency="GBP"
    )


def test_a_part_that_would_hold_itself_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="a part would hold itself"):
        mended({"a": {"b": 1}}, '[set]\n"a.b" = "a"')


@pytest.mark.parametrize("packed", [False, True])
def test_what_has_no_fields_has_to_be_edited(packed: bool) -> None:  # noqa: FBT001 - a case
    repair = parse_repair('remove = ["a"]', "r.toml")
    for body in (b"\xc1", b"\xff{", b"a=b"):
        with pytest.raises(InvalidArgument, match="edit the bytes"):
            repaired(body if not packed else b"\xc1", repair, packed=packed)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "changes nothing"),
        ("sett = 1", "docs/sources.md"),
        ("[set]\na = {times = 2.0}", "not one value"),
        ('[set]\na = "b..c"', "not a path"),
        ('[set]\n"a..b" = "c"', "not a path"),
        ('remove = ["$["]', "not a path"),
    ],
)
def test_a_repair_that_makes_no_sense_is_refused_with_the_cure(
    tmp_path: Path, text: str, why: str
) -> None:
    (tmp_path / "r.toml").write_text(text)
    with pytest.raises(InvalidArgument, match=r"r\.toml") as caught:
        load_repair(tmp_path / "r.toml")
    assert why in str(caught.value)


@given(st.binary(max_size=40), st.booleans())
def test_any_bytes_are_mended_or_refused(body: bytes, packed: bool) -> None:  # noqa: FBT001 - drawn
    repair = parse_repair('remove = ["a[0]", "b"]\n[set]\n"c.d" = "e"\n"[0]" = "f"', "r.toml")
    with suppress(InvalidArgument):
        repaired(body, repair, packed=packed)
