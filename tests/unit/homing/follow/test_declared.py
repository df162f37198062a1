from __future__ import annotations

import json
from pathlib import Path

import pytest

from features.clock import FixedClock
from features.errors import InvalidArgument, MissingExtra, SettingsError
from features.identity import CustomerKeys
from homing.follow.declared import find_declared, load_declared, parse_declared
from homing.follow.opening import feed_readers, open_stream
from homing.follow.tally import Tally
from tests.followed import EVENT, told
from tests.shop import END, SECRET

SSE = '[sse]\nurl = "https://shop.example/feed"\n'
SOCKET = '[websocket]\nurl = "wss://shop.example/feed"\n'


def text(place: str) -> str:
    """A file; what stands under `[event]` in the place is put before what is there."""
    place, _, more = place.partition("[event]\n")
    return f'name = "shop"\n{place}' + EVENT.replace("[event]\n", f"[event]\n{more}\n")


def test_a_feed_is_found_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "shop.toml").write_text(text(SSE))
    assert find_declared("shop", tmp_path).sse is not None
    assert set(feed_readers(tmp_path)) == {"follow:shop"}
    for folder in (tmp_path, None):
        with pytest.raises(InvalidArgument, match="describe it in HOMING_FOLLOWS_FOLDER"):
            find_declared("other", folder)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", r"not one place; give one of \[sse\], \[websocket\], \[changes\]"),
        (SSE + SOCKET, "not one place"),
        ('[sse]\nurl = "shop.example"\n', "begin it with https:// or http://"),
        ('[websocket]\nurl = "https://shop.example"\n', "begin it with wss:// or ws://"),
        (SSE + "silence = 0\n", "sse.silence = 0.0: no time"),
        (SOCKET + "most_bytes = 0\n", "websocket.most_bytes = 0: too small"),
        (SOCKET + 'cursor = "a..b"\n', "websocket.cursor = 'a..b': not a path"),
        (SOCKET + 'kind = ""\n', "websocket.kind = '': not a path"),
        (SOCKET + 'cursor = "$.who"\n', "would keep the customer's id"),
        (
            SOCKET + 'cursor = "lines[2].who"\n[event]\neach = "lines"',
            "would keep the customer's id",
        ),
        (SSE + 'envelope = true\n[event]\nemail = "$.id"', "would keep the customer's id"),
        (SOCKET + 'subscribe = ["{cursor}"]\n', "say where the position is, and where to begin"),
        (SOCKET + 'cursor = "seq"\nsubscribe = [{ a = ["{cursor}"] }]\n', "where to begin"),
        ('kinds = ["a"]\n' + SOCKET, "give the path of what says of which kind a message is"),
        (SSE + "retry = 1\n", "retry"),
    ],
)
def test_what_is_no_feed_is_refused_with_the_cure(given: str, said: str) -> None:
    with pytest.raises(InvalidArgument, match=said):
        parse_declared(text(given), "shop.toml")


def test_a_position_may_be_called_as_a_line_calls_its_customer() -> None:
    lines = text(SSE + "envelope = true\n[event]\n").replace('"who"', '"id"\neach = "data.lines"')
    assert parse_declared(lines, "shop.toml").event.customer == "id"
    seq = text(SOCKET + 'cursor = "who"\n[event]\neach = "lines"')
    assert parse_declared(seq, "shop.toml").websocket is not None


def test_what_can_be_no_event_is_refused_as_in_a_webhook() -> None:
    with pytest.raises(InvalidArgument, match="give the path of the item's id"):
        parse_declared(text(SSE).replace('item = "sku"', ""), "shop.toml")
    with pytest.raises(InvalidArgument, match="what comes again must not be dated anew"):
        parse_declared(text(SSE).replace('time = "at"', ""), "shop.toml")
    with pytest.raises(InvalidArgument, match="not a usable name"):
        parse_declared(text(SSE).replace('"shop"', '"a:b"'), "shop.toml")


@pytest.mark.parametrize("missing", ["httpx_sse", "something_else"])
def test_a_missing_library_is_told_by_its_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    clock = FixedClock(END)
    found = MissingExtra if missing == "httpx_sse" else ModuleNotFoundError
    said = "pip install 'homing.sync.'" if missing == "httpx_sse" else missing

    def refuse(*_: object) -> None:
        raise ModuleNotFoundError(missing, name=missing)

    monkeypatch.setattr("homing.follow.opening._stream", refuse)
    with pytest.raises(found, match=said):
        open_stream(
            parse_declared(text(SSE), "shop.toml"), {}, tmp_path, clock, Tally("shop", clock)
        )


@pytest.mark.parametrize("place", [SSE, SOCKET])
def test_a_missing_secret_is_told_by_its_name(tmp_path: Path, place: str) -> None:
    declared = parse_declared(text(place + 'auth = { type = "bearer" }\n'), "shop.toml")
    clock = FixedClock(END)
    tally = Tally("shop", clock)
    with pytest.raises(SettingsError, match="set it, or HOMING_FOLLOW_SHOP_TOKEN_FILE"):
        open_stream(declared, {}, tmp_path, clock, tally)
    given = {"HOMING_FOLLOW_SHOP_TOKEN": "hush"}
    assert open_stream(declared, given, tmp_path, clock, tally) is not None


def test_money_is_turned_and_contracts_are_held_as_of_a_webhook(tmp_path: Path) -> None:
    event = EVENT + 'value = "paid"\ncurrency = { constant = "EUR" }\n'
    (tmp_path / "rates.csv").write_text("date,currency,rate\n2025-12-31,EUR,0.5\n")
    beside = '[currency]\nto = "GBP"\nfile = "rates.csv"\n'
    rule = '[[contract]]\nrule = "it costs something"\nmust = { path = "paid", above = 0 }\n'
    file = tmp_path / "shop.toml"
    file.write_text(f'name = "shop"\n{SSE}{event}{beside}{rule}')
    read = load_declared(file).reader().read
    keys = CustomerKeys(SECRET.encode())
    [sold] = read(json.dumps({**told(1), "paid": 10}).encode(), keys, END).events
    assert (sold.value, sold.currency) == (5.0, "GBP")
    [letter] = read(json.dumps({**told(1), "paid": 0}).encode(), keys, END).unreadable
    assert "broken: it costs something" in letter.reason
    file.write_text(f'name = "shop"\n{SSE}{EVENT}{beside}')
    with pytest.raises(InvalidArgument, match="values of which currency"):
        load_declared(file)
