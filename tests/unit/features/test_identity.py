from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import InvalidArgument, SettingsError
from features.identity import MAX_OUTSIDE_ID, CustomerKeys, is_key

SECRET = b"0123456789abcdef0123456789abcdef"
KEYS = CustomerKeys(SECRET)


@pytest.mark.parametrize("length", [32, 63, 64, 65, 200])
def test_a_key_is_the_first_half_of_hmac_sha256(length: int) -> None:
    secret = bytes(range(length))
    mac = hmac.new(secret, b"customer-7", hashlib.sha256).hexdigest()
    assert CustomerKeys(secret).resolve("customer-7") == f"ck_{mac[:32]}"


def test_a_key_stays_what_it_is() -> None:
    key = KEYS.resolve("customer-7")
    assert is_key(key)
    assert KEYS.resolve(key) == key


def test_another_secret_makes_another_key() -> None:
    assert CustomerKeys(SECRET[::-1]).resolve("customer-7") != KEYS.resolve("customer-7")


def test_composed_and_decomposed_letters_are_one_customer() -> None:
    assert KEYS.resolve("Zo\u00eb") == KEYS.resolve("Zoe\u0308")


def test_spaces_around_an_id_do_not_count() -> None:
    assert KEYS.resolve("  7 ") == KEYS.resolve("7")


@pytest.mark.parametrize("bad", ["", "   ", "a\nb", "a\x00", "x" * (MAX_OUTSIDE_ID + 1)])
def test_an_unusable_id_is_refused_without_being_repeated(bad: str) -> None:
    with pytest.raises(InvalidArgument, match="customer") as caught:
        KEYS.resolve(bad)
    assert caught.value.problems[0].value == f"'{len(bad)} characters'"


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(SettingsError, match="has 31 bytes and needs at least 32"):
        CustomerKeys(SECRET[:31])


@given(st.text(min_size=1, max_size=40))
def test_whatever_comes_there_is_a_key_or_a_declared_refusal(text: str) -> None:
    try:
        key = KEYS.resolve(text)
    except InvalidArgument:
        return
    assert is_key(key)


@pytest.mark.parametrize("text", ["ck_", "ck_" + "0" * 31, "ck_" + "G" * 32, "xck_" + "0" * 32])
def test_what_only_looks_like_a_key_is_none(text: str) -> None:
    assert not is_key(text)
