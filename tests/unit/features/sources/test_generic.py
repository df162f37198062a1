from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from features.errors import InvalidArgument, SettingsError
from features.event import Event, EventType
from features.sources.generic import Generic
from features.sources.generic_mapping import EXAMPLE, load_webhook, parse_webhook
from features.sources.source import Delivery, Received
from tests.unit.features.making import KEYS, NOW
from tests.unit.features.sources.mailing import is_refused, passes, without
from tests.unit.features.sources.shopping import ANN, JSON, dumped

ROOT = Path(__file__).parents[4]
TILL = load_webhook(ROOT / EXAMPLE)
SOURCE = Generic(TILL, ["a till"])
LEAST = 'type = "search"\ncustomer = "who"'
RECEIPT: JSON = {
    "receipt": "r-7",
    "member": {"number": 4411, "mail": "ann@example.com"},
    "currency": "gbp",
    "lines": [
        {
            "no": 1,
            "what": "SALE",
            "sku": "lamp",
            "pieces": 2,
            "pence": 5000,
            "at": "2026-01-01T10:00:00Z",
        }
    ],
}
LINE: JSON = RECEIPT["lines"][0]
# printf '%s' '1772323200.d-81.{"receipt":"r-7"}' | openssl dgst -sha256 -hmac 'a till'
BODY = b'{"receipt":"r-7"}'
MAC = "877485a75bc84bf7963c546021326edadf1863c9ae1d82d8faa57d8aeb926594"
HEADERS = {
    "x-till-signature": f"sha256={MAC}",
    "x-till-time": "1772323200",
    "x-till-delivery": "d-81",
}


def toml(signature: str = "", event: str = LEAST, name: str = "till") -> str:
    """A mapping with more words about its signature, or others about its events."""
    return f'name = "{name}"\n[signature]\nheader = "X-Sign"\n{signature}\n[event]\n{event}'


def made(signature: str = "", event: str = LEAST, key: str = "a till") -> Generic:
    return Generic(parse_webhook(toml(signature, event), "till.toml"), [key])


def of(payload: JSON, by: Generic = SOURCE) -> Received:
    return by.read(Delivery(dumped(payload)), KEYS, NOW)


def test_a_delivery_is_taken_that_the_secret_signed() -> None:
    assert SOURCE.verify(Delivery(BODY, HEADERS), NOW) == "d-81"
    assert passes(Generic(TILL, ["new", "a till"]), Delivery(BODY, HEADERS), NOW)


def test_a_delivery_is_refused_that_it_did_not_sign() -> None:
    is_refused(SOURCE, Delivery(b"{}", HEADERS), NOW, "signature")
    for name, text in (("x-till-delivery", "d-82"), ("x-till-signature", MAC)):
        is_refused(SOURCE, Delivery(BODY, {**HEADERS, name: text}), NOW, "signature")
    for name in HEADERS:
        is_refused(SOURCE, Delivery(BODY, without(HEADERS, name)), NOW, name)
    edge = timedelta(minutes=5)
    assert passes(SOURCE, Delivery(BODY, HEADERS), NOW + edge)
    is_refused(SOURCE, Delivery(BODY, HEADERS), NOW + edge * 1.01, "300 s")


@pytest.mark.parametrize(
    ("words", "shown", "key"),
    [
        # printf '%s' body | openssl dgst -sha1 -hmac 'a till', and so on
        ('algorithm = "sha1"', "5b22777fcfc9467e0bd8003f53060e36e34f7f95", "a till"),
        ('encoding = "base64"', "zMyqZxmlzBYkm6pg18czc+c7OdBg2fV97ZmH7SPhsP0=", "a till"),
        ('encoding = "base64url"', "zMyqZxmlzBYkm6pg18czc-c7OdBg2fV97ZmH7SPhsP0", "a till"),
        (
            'algorithm = "sha384"\nencoding = "base64"',
            "68RuLHw8HcbPvy+6xzX5hRfI56jLw2JVhLmmthfVz04doM9jrj5U+cnXyyo0cwEU",
            "a till",
        ),
        (
            'signed = "{url}{body}"',
            "66c9df0175ad9f884d1bbf58f7acf7f3ff26cc4f4524d7f25fd19c7d900c3785",
            "a till",
        ),
        (
            'signed = "{timestamp}:{body}"\ntimestamp = "X-Time"\nunit = "ms"',
            "305e6f8c296baefc4a57d95f3222e337fb6362a22f034d8f2dd2d32be74ff494",
            "a till",
        ),
        ('key = "hex"', "ce2738d0a0e4d2de7bcd490d48d4d8131cf7d78c64984c751c38e4a35e43325b", "00ff"),
        (
            'key = "base64"',
            "ce2738d0a0e4d2de7bcd490d48d4d8131cf7d78c64984c751c38e4a35e43325b",
            "AP8=",
        ),
        ('algorithm = "token"\nprefix = "Bearer "', "Bearer a till", "a till"),
    ],
)
def test_many_ways_of_signing_can_be_said(words: str, shown: str, key: str) -> None:
    source = made(words, key=key)
    headers = {"x-sign": shown, "x-time": "1772323200000"}
    delivery = Delivery(b"body", headers, url="https://x.example/?a=1")
    assert source.verify(delivery, NOW) is None
    for forged in (shown[:-4], f"{shown[:-4]}abcd", f"x{shown}", "é", "="):
        assert not passes(source, Delivery(b"body", {**headers, "x-sign": forged}), NOW)


def test_a_token_may_come_with_an_id() -> None:
    source = made('algorithm = "token"\nid = "X-Id"')
    assert source.verify(Delivery(b"", {"x-sign": "a till", "x-id": "d-1"}), NOW) == "d-1"


@pytest.mark.parametrize(("form", "key"), [("hex", "0g"), ("base64", "A"), ("hex", "é")])
def test_a_secret_of_another_form_is_refused(form: str, key: str) -> None:
    with pytest.raises(SettingsError, match=f"is not {form}"):
        made(f'key = "{form}"', key=key)


def test_the_example_is_read() -> None:
    assert of(RECEIPT) == Received(
        [
            Event(
                id="till:r-7:1",
                type=EventType.PURCHASE,
                customer=KEYS.resolve("4411"),
                occurred_at=datetime(2026, 1, 1, 10, tzinfo=UTC),
                item="lamp",
                quantity=2.0,
                value=50.0,
                currency="GBP",
                source="till",
            )
        ],
        [],
        [],
        [],
    )


def only(event: str, payload: JSON) -> Event:
    received = of(payload, made(event=event))
    assert received.unreadable == []
    (read,) = received.events
    return read


def reason(event: str, payload: JSON) -> str:
    received = of(payload, made(event=event))
    assert received.events == []
    (letter,) = received.unreadable
    return letter.reason


def test_a_line_of_another_type_is_left_out_or_refused_as_the_mapping_says() -> None:
    lines = [{**LINE, "what": "NOTE"}, {**LINE, "what": "BACK", "pieces": -1, "pence": -2500}]
    (back,) = of({**RECEIPT, "lines": lines}).events
    assert (back.type, back.quantity, back.value) == (EventType.RETURN, 1.0, 25.0)
    strict = LEAST.replace('"search"', '{path = "what"}')
    assert only(strict, {"who": "7", "what": "search"}).type is EventType.SEARCH
    for what in ("SALE", None, "ann@example.com", "identify", "slate_served"):
        assert reason(strict, {"who": "7", "what": what}).startswith("type: not one of the mapping")


def test_a_line_that_cant_be_read_does_not_silence_the_others() -> None:
    payload = {**RECEIPT, "lines": [{**LINE, "no": None}, LINE, 7, {**LINE, "no": 2, "sku": [1]}]}
    received = of(payload)
    assert [event.id for event in received.events] == ["till:r-7:1"]
    assert [letter.body for letter in received.unreadable] == [dumped(payload)]


def test_elements_of_a_list_are_dead_letters_of_their_own() -> None:
    received = of([{"who": ""}, {"who": "7"}, 7], made())
    assert [letter.body for letter in received.unreadable] == [b'{"who": ""}', b"7"]
    assert [event.customer for event in received.events] == [KEYS.resolve("7")]


def test_who_has_no_id_is_known_by_the_address() -> None:
    (event,) = of({**RECEIPT, "member": {"number": None, "mail": "Ann@example.com "}}).events
    assert event.customer == ANN
    assert "names none" in of({**RECEIPT, "member": {}}).unreadable[0].reason


def test_ids_are_made_of_the_content_where_the_mapping_names_none() -> None:
    twice = of([{"who": "7"}, {"who": "7"}], made()).events
    again = of([{"who": "7"}, {"who": "7"}], made()).events
    assert twice == again
    assert len({event.id for event in twice}) == 2


@pytest.mark.parametrize(
    ("time", "at"),
    [
        ('"at"', "2026-01-01T10:00:00Z"),
        ('"at"', "2026-01-01T11:00:00+01:00"),
        ('{path = "at", unit = "s"}', 1_767_261_600),
        ('{path = "at", unit = "s"}', " 1767261600.0"),
        ('{path = "at", unit = "ms"}', 1_767_261_600_000),
        ('{path = "at", unit = "us"}', 1_767_261_600_000_000),
    ],
)
def test_times_come_in_many_forms(time: str, at: JSON) -> None:
    event = only(f"{LEAST}\ntime = {time}", {"who": "7", "at": at})
    assert event.occurred_at == datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize("at", [None, "noon", 1e300, [], True, "nan"])
def test_a_time_that_is_none_is_refused(at: JSON) -> None:
    for time in ('"at"', '{path = "at", unit = "s"}'):
        assert "time" in reason(f"{LEAST}\ntime = {time}", {"who": "7", "at": at})


def test_what_comes_without_a_time_happened_now() -> None:
    assert only(LEAST, {"who": "7"}).occurred_at == NOW


def test_values_are_found_by_paths_or_are_constant() -> None:
    event = """
type = "purchase"
customer = ["nobody", "who[2].id", "who[1].id"]
item = "lines[0].sku"
quantity = {constant = 3}
value = {path = "deep.cents", times = 0.01}
currency = {constant = "EUR"}
send = "mail.send"
block = {constant = "hero"}
slate = "mail[0]"
"""
    payload = {
        "who": [{}, {"id": "7"}],
        "lines": [{"sku": "lamp"}],
        "deep": {"cents": "250"},
        "mail": {"send": 5},
    }
    read = only(event, payload)
    assert (read.customer, read.item, read.quantity) == (KEYS.resolve("7"), "lamp", 3.0)
    assert (read.value, read.currency, read.send) == (2.5, "EUR", "5")
    assert (read.block, read.slate) == ("hero", None)


@pytest.mark.parametrize("found", [True, 1.5, [], {}])
def test_a_value_of_another_kind_is_refused(found: JSON) -> None:
    assert reason(f'{LEAST}\nsend = "mail"', {"who": "7", "mail": found}).startswith(
        "send: neither"
    )


def test_a_path_to_no_list_is_a_dead_letter() -> None:
    payloads: list[JSON] = [{}, {"lines": {}}, 7]
    for payload in payloads:
        assert reason(f'each = "lines"\n{LEAST}', payload).startswith("lines: no list")
    assert len(SOURCE.read(Delivery(b"\xff"), KEYS, NOW).unreadable) == 1
    assert len(made().read(Delivery(b"[1"), KEYS, NOW).unreadable) == 1


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("name = ", "not TOML"),
        (toml(name="\\n"), "name = .*not a usable name"),
        (toml('colour = "red"'), "signature.*unknown field `colour`"),
        (toml('algorithm = "md5"'), "signature.algorithm = 'md5'"),
        (toml('signed = "{timestamp}"'), "leaves the body to anybody"),
        (toml('signed = "{host}{body}"'), "put only body, timestamp, id, url in braces"),
        (toml('signed = "{body"'), "not what can be signed"),
        (toml('signed = "{timestamp}{body}"'), "signature.timestamp = None"),
        (toml('timestamp = "X-Time"'), "signature.timestamp = 'X-Time'"),
        (toml('id = "X-Id"'), "signature.id = 'X-Id'"),
        (toml('algorithm = "token"\ntimestamp = "X-Time"'), "a token signs nothing"),
        (toml("tolerance = 0"), "signature.tolerance = 0.0"),
        (toml("tolerance = inf"), "signature.tolerance = inf"),
        (toml(event='type = "search"'), "event.customer.*missing"),
        (toml(event='type = "sale"\ncustomer = "who"'), "event.type"),
        (toml(event='type = "view"\ncustomer = "who"'), "event.item.*missing"),
        (toml(event='type = {path = "t", values = {a = "view"}}\ncustomer = "w"'), "event.item"),
        (toml(event='type = "identify"\ncustomer = "who"'), "not what a mapping can tell"),
        (toml(event=f'{LEAST}\nid = ["no", "who"]'), "would keep the customer's id"),
        (toml(event=f'{LEAST}\nid = "$.who"'), "would keep the customer's id"),
        (toml(event='type = "search"\nemail = "mail"\nid = "mail"'), "keep the customer's id"),
        (toml(event=f"{LEAST}\nsend = {{}}"), "event.send.*not one value"),
        (toml(event=f'{LEAST}\nsend = {{path = "a", constant = 1}}'), "not one value"),
        (toml(event=f'{LEAST}\nsend = "a..b"'), "event.send = 'a..b': not a path"),
        (toml(event=f'{LEAST}\ntime = "[x]"'), "event.time = .*not a path"),
        (toml(event=f'{LEAST}\ntime = {{path = ""}}'), "event.time.path = ''"),
        (toml(event=f'{LEAST}\neach = "$"'), "event.each = .*not a path"),
        (toml(event=f"{LEAST}\ncurrency = {{constant = 5}}"), "not a currency code"),
        (toml(event=f'{LEAST}\ncurrency = {{constant = "eur"}}'), "not a currency code"),
    ],
)
def test_a_mapping_that_is_none_says_why(text: str, match: str) -> None:
    with pytest.raises(InvalidArgument, match=match) as caught:
        parse_webhook(text, "till.toml")
    assert str(caught.value).startswith("till.toml")


def test_of_a_list_the_body_and_an_element_may_call_two_things_the_same() -> None:
    event = f'each = "lines"\n{LEAST}\nid = "$.who"'
    assert parse_webhook(toml(event=event), "till.toml").event.id == "$.who"


def test_a_file_that_cant_be_read_says_which_could(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"webhook-till\.toml"):
        load_webhook(tmp_path / "none.toml")
