from __future__ import annotations

from urllib.parse import unquote_to_bytes, urlencode

from hypothesis import given
from hypothesis import strategies as st

from features.sources.form import MAX_FIELDS, form_fields

NAMES = st.text(min_size=1, max_size=5)


@given(st.dictionaries(NAMES, st.text(max_size=9), max_size=9))
def test_a_form_is_read_as_it_was_written(fields: dict[str, str]) -> None:
    expected = {name.encode(): value.encode() for name, value in fields.items()}
    assert form_fields(urlencode(fields).encode()) == expected


@given(st.binary())
def test_any_bytes_are_a_form(body: bytes) -> None:
    form_fields(body)


def test_a_plus_is_a_space_and_broken_escapes_stay() -> None:
    assert form_fields(b"a=1+2%2b3%zz&b&&a=%E9") == {b"a": b"\xe9", b"b": b""}


def test_a_form_that_nobody_sends_is_not_read() -> None:
    fields = [f"{name}=1" for name in range(MAX_FIELDS + 1)]
    assert len(form_fields("&".join(fields[:-1]).encode())) == MAX_FIELDS
    assert form_fields("&".join(fields).encode()) == {}


@given(st.text("%=+_09afAFxyz \r\n\t\0é", max_size=30).map(str.encode))
def test_a_value_is_what_the_standard_library_makes_of_it(value: bytes) -> None:
    assert form_fields(b"a=" + value) == {b"a": unquote_to_bytes(value.replace(b"+", b" "))}
