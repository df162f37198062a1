from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import SettingsError, Unauthenticated
from features.sources.signatures import (
    TOLERANCE,
    Keyed,
    any_bytes,
    basic_credentials,
    check_fresh,
    from_base64,
    from_hex,
    header,
    is_any,
    secret_bytes,
)
from features.sources.source import Delivery

NOW = datetime(2026, 3, 1, tzinfo=UTC)
SECONDS = int(NOW.timestamp())
TEXTS = st.text(st.characters(exclude_categories=()))


def mac(key: bytes, message: bytes) -> bytes:
    return hmac.digest(key, message, hashlib.sha256)


def with_basic(credentials: bytes) -> Delivery:
    encoded = base64.b64encode(credentials).decode()
    return Delivery(b"", {"authorization": f"Basic {encoded}"})


def test_a_mac_of_the_bytes_passes() -> None:
    Keyed([b"new"], "sha256").check([mac(b"new", b"payload")], b"pay", b"load")


@pytest.mark.parametrize("key", [b"new", b"old"])
def test_either_of_two_keys_passes_while_they_are_being_changed(key: bytes) -> None:
    Keyed([b"new", b"old"], "sha256").check([mac(key, b"payload")], b"payload")


def test_one_of_several_macs_is_enough() -> None:
    given = [b"", mac(b"other", b"payload"), mac(b"new", b"payload")]
    Keyed([b"new"], "sha256").check(given, b"payload")


@pytest.mark.parametrize(
    "given", [[], [b""], [mac(b"other", b"payload")], [mac(b"new", b"Payload")], [b"x" * 99]]
)
def test_any_other_mac_is_refused(given: list[bytes]) -> None:
    with pytest.raises(Unauthenticated, match="signature"):
        Keyed([b"new", b"old"], "sha256").check(given, b"payload")


def test_a_check_leaves_no_trace_in_the_next() -> None:
    keyed = Keyed([b"new"], "sha256")
    for _ in range(2):
        keyed.check([mac(b"new", b"payload")], b"payload")


def test_known_answer_of_the_standard() -> None:
    # RFC 4231, test case 2.
    expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    Keyed([b"Jefe"], "sha256").check([from_hex(expected)], b"what do ya want for nothing?")


@pytest.mark.parametrize("secrets", [[], [""], ["one", ""]])
def test_a_source_without_a_secret_is_set_up_wrongly(secrets: list[str]) -> None:
    with pytest.raises(SettingsError, match="postmark"):
        secret_bytes(secrets, "postmark")


def test_a_secret_of_the_environment_stays_the_bytes_it_was() -> None:
    assert secret_bytes(["é", "\udcff"], "any") == (b"\xc3\xa9", b"\xff")


def test_a_secret_is_found_among_two() -> None:
    assert is_any(b"old", [b"new", b"old"])
    assert is_any(b"new", [b"new", b"old"])
    assert not is_any(b"older", [b"new", b"old"])
    assert not is_any(b"", [b"new"])


def test_a_missing_header_is_refused() -> None:
    delivery = Delivery(b"", {"x-sign": "yes", "x-empty": ""})
    assert header(delivery, "x-sign") == "yes"
    for name in ("x-empty", "x-other"):
        with pytest.raises(Unauthenticated, match=name):
            header(delivery, name)


@pytest.mark.parametrize("seconds", [-300, 0, 300])
def test_a_time_within_the_tolerance_is_fresh(seconds: int) -> None:
    check_fresh(str(SECONDS + seconds), NOW, TOLERANCE)


@pytest.mark.parametrize("seconds", [-301, 301, -SECONDS])
def test_a_time_outside_the_tolerance_is_not(seconds: int) -> None:
    with pytest.raises(Unauthenticated, match="more than 300 s"):
        check_fresh(str(SECONDS + seconds), NOW, TOLERANCE)


def test_the_date_of_http_is_a_time() -> None:
    moment = datetime(2024, 1, 4, 18, 5, 25, tzinfo=UTC)
    check_fresh("Thu, 04 Jan 2024 18:05:25 GMT", moment, timedelta(0))


@pytest.mark.parametrize(
    "moment",
    [
        "",
        "now",
        "-1772323200",
        "1772323200.5",
        "\uff11772323200",
        "9" * 400,
        "2026-03-01T00:00:00Z",
        "Sun, 31 Feb 2026 00:00:00 GMT",
        "Sun, 01 Foo 2026 00:00:00 GMT",
        "Sun, 01 Mar 0000 00:00:00 GMT",
        "Sun, 01 Mar 2026 ::::::::: GMT",
        "Sun, 01 Mar 2026 25:00:00 GMT",
        "Sun, 01 Mar 2026 ::::::00 GMT",
        "Sun, 01 Mar 2026 00000000 GMT",
    ],
)
def test_anything_else_is_no_time(moment: str) -> None:
    with pytest.raises(Unauthenticated, match="can't be read"):
        check_fresh(moment, NOW, TOLERANCE)


def test_user_and_password_are_read() -> None:
    assert basic_credentials(with_basic("ann:pass:wörd".encode())) == "ann:pass:wörd".encode()


@pytest.mark.parametrize("shown", ["", "Basic", "Basic ", "Bearer YTpi", "Basic %%%"])
def test_no_user_and_password_is_refused(shown: str) -> None:
    with pytest.raises(Unauthenticated):
        basic_credentials(Delivery(b"", {"authorization": shown}))


def test_bytes_are_read_from_text() -> None:
    assert from_hex("00fF") == b"\x00\xff"
    assert from_base64("AP8=") == b"\x00\xff"


@given(TEXTS)
def test_any_text_is_bytes_or_refused(text: str) -> None:
    assert isinstance(any_bytes(text), bytes)
    for read in (from_hex, from_base64):
        with suppress(Unauthenticated):
            assert isinstance(read(text), bytes)


@given(
    TEXTS
    | st.from_regex(r"[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} [0-9]{2}:[0-9]{2}:[0-9]{2} GMT")
)
def test_any_text_is_a_time_or_refused(text: str) -> None:
    with suppress(Unauthenticated):
        check_fresh(text, NOW, TOLERANCE)


@given(TEXTS)
def test_any_header_is_credentials_or_refused(text: str) -> None:
    with suppress(Unauthenticated):
        basic_credentials(Delivery(b"", {"authorization": text}))
