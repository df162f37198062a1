from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

import pytest

from features.errors import SettingsError
from features.settings import Settings
from features.sources.mailgun import RETRIED as MAILGUNS
from features.sources.opening import (
    REMEMBERED,
    SOURCES,
    Opened,
    not_set_up,
    open_sources,
)
from features.sources.signatures import TOLERANCE
from features.sources.source import Delivery
from features.sources.variables import shown
from tests.unit.features.making import NOW
from tests.unit.features.sources.mailing import passes

TOP = Path(__file__).parents[4]
PEM = (
    "-----BEGIN PUBLIC KEY-----\n"
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEP5k92qByNyI9kvmA/UpZvx047kfA\n"
    "M/DXzMQDvpYTQRUjFXUwQrrrxNsSEyhiF30m3EEjt88oEOr4FzEmx8QcGA==\n"
    "-----END PUBLIC KEY-----\n"
)
TILL = """
name = "till"
signature = {header = "X-Till", algorithm = "token"}
event = {type = "purchase", customer = "who", item = "what"}
"""
SIGNED = """
name = "till"
event = {type = "purchase", customer = "who", item = "what"}
[signature]
header = "X-Till"
signed = "{url}{timestamp}{body}"
timestamp = "At"
tolerance = 90000
"""


def opened(
    environ: Mapping[str, str], folder: Path | None = None, address: str = "https://a.example"
) -> dict[str, Opened]:
    settings = Settings(webhooks_folder=folder, public_url=address)
    return open_sources(settings, {f"HOMING_WEBHOOK_{name}": v for name, v in environ.items()})


def refusal(
    environ: Mapping[str, str], folder: Path | None = None, address: str = "https://a.example"
) -> str:
    with pytest.raises(SettingsError) as caught:
        opened(environ, folder, address)
    return str(caught.value)


def takes(source: Opened, password: str) -> bool:
    """Whether a source of Mailchimp's kind takes the secret."""
    return passes(source.source, Delivery(b"", query={"secret": password}), NOW)


def test_without_secrets_there_is_no_source() -> None:
    assert opened({}) == {}
    assert opened({"STRIPE_SECRET": " ", "STRIPE_SECRET_FILE": ""}) == {}


def test_every_source_is_opened_by_its_secret_alone() -> None:
    fitting = {"sendgrid": PEM, "postmark": "a:b", "standard-webhooks": "whsec_c2VjcmV0"}
    for name in SOURCES:
        variable = not_set_up(name).partition("HOMING_WEBHOOK_")[2]
        sources = opened({variable: fitting.get(name, "secret")})
        assert list(sources) == [name]
        assert sources[name].name == name


def test_the_page_names_every_source_and_its_variable() -> None:
    page = (TOP / "docs/sources.md").read_text()
    for name in SOURCES:
        variable = re.findall("HOMING_WEBHOOK_(.*)_SECRET", not_set_up(name))[0]
        assert f"| `{name}` | `{variable}` |" in page


def test_two_secrets_are_good_while_one_is_changed() -> None:
    for text in ("new,old", "new\nold", " new , \n old,"):
        source = opened({"MAILCHIMP_SECRET": text})["mailchimp"]
        assert [takes(source, one) for one in ("new", "old", "new,old", "")] == [
            True,
            True,
            False,
            False,
        ]
    message = refusal({"MAILCHIMP_SECRET": "one,two,three"})
    assert "3 secrets" in message
    assert "two," not in message


def test_a_mounted_file_has_a_secret_a_line_and_a_comma_is_part_of_it(tmp_path: Path) -> None:
    (tmp_path / "s").write_text("new,er\r\nold\n")
    source = opened({"MAILCHIMP_SECRET_FILE": str(tmp_path / "s")})["mailchimp"]
    assert [takes(source, one) for one in ("new,er", "old", "new")] == [True, True, False]


def test_a_key_of_several_lines_is_one(tmp_path: Path) -> None:
    (tmp_path / "s").write_text(PEM + PEM)
    assert opened({"SENDGRID_SECRET_FILE": str(tmp_path / "s")}).keys() == {"sendgrid"}
    assert opened({"SENDGRID_SECRET": PEM}).keys() == {"sendgrid"}


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "raw").write_bytes(b"\xff")
    for name, why in (("none", "can't be read"), ("empty", "is empty"), ("raw", "not UTF-8")):
        message = refusal({"STRIPE_SECRET_FILE": str(tmp_path / name)})
        assert "HOMING_WEBHOOK_STRIPE_SECRET_FILE" in message
        assert why in message
    both = {"STRIPE_SECRET": "s", "STRIPE_SECRET_FILE": str(tmp_path / "empty")}
    assert "both set" in refusal(both)


def test_a_variable_that_means_nothing_is_refused() -> None:
    assert "HOMING_WEBHOOK_STRIP_SECRET" in refusal({"STRIP_SECRET": "s"})
    assert "HOMING_WEBHOOK_STRIPE_CURRENCY" in refusal({"STRIPE_CURRENCY": "GBP"})


def test_what_shops_sell_can_be_told_apart() -> None:
    told = {"SHOPIFY_SOLD_AS": "sku", "SHOPIFY_COUNTS_STOCK": "false", "SHOPIFY_CURRENCY": "GBP"}
    shop = {"SHOPIFY_SECRET": "s", **told, "SHOPIFY_STOREFRONT": "https://shop.example"}
    assert opened({**shop, "WOOCOMMERCE_SECRET": "s"}).keys() == {"shopify", "woocommerce"}
    assert "choose product or variant or sku" in refusal({**shop, "SHOPIFY_SOLD_AS": "isbn"})
    assert "ISO 4217" in refusal({**shop, "SHOPIFY_CURRENCY": "pound"})


def test_who_signs_the_address_needs_to_have_it() -> None:
    assert opened({"MANDRILL_SECRET": "s"}).keys() == {"mandrill"}
    assert "HOMING_PUBLIC_URL" in refusal({"MANDRILL_SECRET": "s"}, address="")


def test_a_sender_is_described_by_a_file_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / "a.toml").write_text(TILL)
    (tmp_path / "notes.txt").write_text("no mapping")
    (till,) = opened({"TILL_SECRET": "s"}, tmp_path).values()
    assert (till.name, till.remembered, till.headers) == ("till", REMEMBERED, ())
    assert passes(till.source, Delivery(b"{}", {"x-till": "s"}), NOW)
    assert "HOMING_WEBHOOK_TILL_SECRET" in refusal({}, tmp_path)


def test_what_must_not_come_twice_is_remembered_as_long_as_its_signature_is_good(
    tmp_path: Path,
) -> None:
    assert 2 * max(MAILGUNS, TOLERANCE) <= REMEMBERED
    (tmp_path / "a.toml").write_text(SIGNED)
    assert opened({"TILL_SECRET": "s"}, tmp_path)["till"].remembered == timedelta(hours=50)
    assert "HOMING_PUBLIC_URL" in refusal({"TILL_SECRET": "s"}, tmp_path, address="homing")
    (tmp_path / "a.toml").write_text(SIGNED.replace("90000", "9e9"))
    assert "a week at most" in refusal({"TILL_SECRET": "s"}, tmp_path)


def test_a_file_that_describes_no_usable_sender_is_named(tmp_path: Path) -> None:
    for text, why in (
        ("name = 3", "name"),
        (TILL.replace('"till"', '"a till"'), "part of an address"),
        (TILL.replace('"till"', '"stripe"'), "already"),
        (TILL.replace('"till"', '"standard_webhooks"'), "already"),
        (TILL.replace('"till"', '"ingest"'), "already"),
    ):
        (tmp_path / "a.toml").write_text(text)
        message = refusal({"TILL_SECRET": "s"}, tmp_path)
        assert "a.toml" in message
        assert why in message
    (tmp_path / "a.toml").write_text(TILL)
    (tmp_path / "b.toml").write_text(TILL)
    assert "b.toml" in refusal({"TILL_SECRET": "s"}, tmp_path)
    assert "no folder" in refusal({}, tmp_path / "none")


def test_a_source_that_nobody_knows_can_be_described() -> None:
    assert "HOMING_WEBHOOKS_FOLDER" in not_set_up("till")


def test_no_secret_is_shown() -> None:
    told = shown({"HOMING_WEBHOOK_A_SECRET": "s", "HOMING_WEBHOOK_A_SECRET_FILE": "/f", "X": "y"})
    assert told == {"HOMING_WEBHOOK_A_SECRET": "***", "HOMING_WEBHOOK_A_SECRET_FILE": "/f"}


@pytest.mark.parametrize(
    ("name", "secret", "loaded"),
    [
        ("STANDARD_WEBHOOKS", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "False"),
        ("SENDGRID", PEM, "True"),
    ],
)
def test_what_checks_public_keys_is_loaded_where_there_is_one(
    name: str, secret: str, loaded: str
) -> None:
    program = (
        "import sys; from features.settings import Settings; "
        "from features.sources.opening import open_sources; "
        f"open_sources(Settings(), {{'HOMING_WEBHOOK_{name}_SECRET': {secret!r}}}); "
        "print('cryptography' in sys.modules)"
    )
    command = [sys.executable, "-c", program]
    told = subprocess.run(  # noqa: S603 - this Python, our code
        command, check=True, capture_output=True, text=True, cwd=TOP
    )
    assert told.stdout.strip() == loaded
