from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.clock import FixedClock
from features.errors import Unauthenticated
from serving.keys import CreatedKey, KeyFile
from serving.signing import canonical, check_signed, sign_url, signature
from tests.unit.serving.kit import NOW

PATH = "/v1/recommendations"
ASKED = {"customer": "Zoë & co", "block": "hero", "send": "a+b/c"}


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "keys.json", FixedClock(NOW))


@pytest.fixture
def created(keys: KeyFile) -> CreatedKey:
    return keys.create("template", ["recommend"])


def signed(created: CreatedKey, **more: str) -> str:
    return sign_url(
        PATH,
        {**ASKED, **more},
        key=created.key.id,
        key_hex=created.signing_key,
        expires=NOW + timedelta(days=30),
    )


def query_of(url: str) -> bytes:
    return urlsplit(url).query.encode()


def test_the_text_that_is_signed_is_sorted_and_percent_encoded() -> None:
    pairs = [("send", "a b"), ("customer", "é~"), ("signature", "not this"), ("n", "")]
    assert canonical(PATH, pairs) == f"GET\n{PATH}\ncustomer=%C3%A9~&n=&send=a%20b"


def test_the_signature_is_plain_hmac_so_that_any_template_can_make_it() -> None:
    text = f"GET\n{PATH}\nexpires=9&key=k"
    expected = hmac.new(b"00ff", text.encode(), hashlib.sha256).hexdigest()
    assert signature("00ff", PATH, [("key", "k"), ("expires", "9")]) == expected


def test_a_signed_url_is_who_signed_it(keys: KeyFile, created: CreatedKey) -> None:
    assert check_signed(PATH, query_of(signed(created)), keys, NOW) == created.key


def test_the_order_of_the_parameters_does_not_matter(keys: KeyFile, created: CreatedKey) -> None:
    turned = b"&".join(reversed(query_of(signed(created)).split(b"&")))
    assert check_signed(PATH, turned, keys, NOW) == created.key


def test_any_change_breaks_it(keys: KeyFile, created: CreatedKey) -> None:
    query = query_of(signed(created))
    for changed in (
        query.replace(b"hero", b"hers"),
        query + b"&n=50",
        query.replace(b"signature=", b"signature=0"),
        query.replace(b"signature=", b"signature=%C3%A9"),
        query.replace(b"key=", b"key=0"),
        query.partition(b"&signature=")[0] + b"&signature=",
    ):
        with pytest.raises(Unauthenticated, match="fits no known key"):
            check_signed(PATH, changed, keys, NOW)
    with pytest.raises(Unauthenticated, match="fits no known key"):
        check_signed("/v1/items/a/similar", query, keys, NOW)


def test_it_expires(keys: KeyFile, created: CreatedKey) -> None:
    query = query_of(signed(created))
    last = NOW + timedelta(days=30)
    assert check_signed(PATH, query, keys, last) == created.key
    with pytest.raises(Unauthenticated, match="has expired"):
        check_signed(PATH, query, keys, last + timedelta(seconds=1))


def test_it_must_not_be_valid_for_ever(keys: KeyFile, created: CreatedKey) -> None:
    with pytest.raises(Unauthenticated, match="valid for too long"):
        check_signed(PATH, query_of(signed(created)), keys, NOW - timedelta(days=371))


@pytest.mark.parametrize("expires", ["", "soon", "-1", "1e9", "٣", "9" * 30])
def test_it_must_say_when_it_expires(keys: KeyFile, created: CreatedKey, expires: str) -> None:
    pairs = [("key", created.key.id), ("expires", expires)]
    text = canonical(PATH, pairs).rpartition("\n")[2]
    query = f"{text}&signature={signature(created.signing_key, PATH, pairs)}".encode()
    with pytest.raises(Unauthenticated, match="no usable `expires`"):
        check_signed(PATH, query, keys, NOW)


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        (b"signature=1&signature=2", "repeats a parameter"),
        (b"signature=%ff", "can't be read"),
        (b"signature=\xff", "can't be read"),
        (b"signature=1" + b"&a=1" * 200, "can't be read"),
    ],
)
def test_a_query_that_cannot_be_read_is_refused(keys: KeyFile, query: bytes, reason: str) -> None:
    with pytest.raises(Unauthenticated, match=reason):
        check_signed(PATH, query, keys, NOW)


@given(st.binary(max_size=200))
def test_no_query_does_anything_but_be_refused(query: bytes) -> None:
    with pytest.raises(Unauthenticated):
        check_signed(PATH, query, KeyFile(Path("/nowhere/keys.json"), FixedClock(NOW)), NOW)
