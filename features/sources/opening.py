"""From the settings to the sources that are set up: those that have a secret, and no others.

A source's secret is `HOMING_WEBHOOK_<NAME>_SECRET`, or the content of the mounted file that
`HOMING_WEBHOOK_<NAME>_SECRET_FILE` names. While a secret is being changed there are two: in two
lines, or with a comma between where it is no file. Senders that no built-in source knows have a
TOML file each in `HOMING_WEBHOOKS_FOLDER`, and their secrets by the name that stands in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Final, NamedTuple, cast

from features.errors import InvalidArgument, SettingsError, shorten
from features.settings import Settings
from features.sources import (
    cloudevents_http,
    customerio,
    klaviyo,
    mailchimp,
    mailgun,
    mandrill,
    postmark,
    segment,
    sendgrid,
    shopify_orders,
    standard_webhooks,
    stripe,
    woocommerce,
)
from features.sources.generic import Generic
from features.sources.generic_mapping import WebhookMapping, load_webhook
from features.sources.reading import SoldAs
from features.sources.shopify import Shopify
from features.sources.source import Source
from features.sources.variables import PREFIX, Variables

RESERVED: Final = frozenset({segment.NAME, "ingest", "unknown"})
"""Names that dead letters and metrics have for something else."""
REMEMBERED: Final = timedelta(days=1)
"""How long what must not come twice is remembered: no built-in source takes such a thing as old."""
MOST_TOLERANCE: Final = timedelta(days=7)

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*")
_SOLD_AS: Final = ("product", "variant", "sku")
_TRUTHS: Final = {"true": True, "false": False}


class Opened(NamedTuple):
    """A source that is set up.

    Attributes:
        name: As it stands in the address, in events and in metrics.
        source: Verifies and reads.
        remembered: How long what must not come twice is remembered.
        headers: Beginnings of the names of headers that reading needs besides the body.
        repeats_unless_200: Whether the sender sends again what is answered by any other status.
    """

    name: str
    source: Source
    remembered: timedelta = REMEMBERED
    headers: tuple[str, ...] = ()
    repeats_unless_200: bool = False


class _Kind(NamedTuple):
    """A built-in source.

    Attributes:
        make: Makes it of its secrets and what else is set.
        options: What else can be set.
        headers: See Opened.
        signs_address: Whether it signs the address that it was told.
        repeats_unless_200: See Opened.
    """

    make: Callable[[Sequence[str], Variables], Source]
    options: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    signs_address: bool = False
    repeats_unless_200: bool = False


def _shopify(secrets: Sequence[str], given: Variables) -> Source:
    return Shopify(
        secrets,
        sold_as=cast("SoldAs", given.one_of("SOLD_AS", _SOLD_AS)),
        storefront=given.get("STOREFRONT"),
        currency=given.currency(),
        counts_stock=_TRUTHS[given.one_of("COUNTS_STOCK", tuple(_TRUTHS))],
    )


def _woocommerce(secrets: Sequence[str], given: Variables) -> Source:
    sold_as = cast("SoldAs", given.one_of("SOLD_AS", _SOLD_AS))
    return woocommerce.WooCommerce(secrets, sold_as=sold_as, currency=given.currency())


_KINDS: Final[Mapping[str, _Kind]] = {
    sendgrid.NAME: _Kind(lambda secrets, _: sendgrid.SendGrid(secrets)),
    mailgun.NAME: _Kind(lambda secrets, _: mailgun.Mailgun(secrets), repeats_unless_200=True),
    postmark.NAME: _Kind(lambda secrets, _: postmark.Postmark(secrets)),
    mailchimp.NAME: _Kind(lambda secrets, _: mailchimp.Mailchimp(secrets)),
    mandrill.NAME: _Kind(lambda secrets, _: mandrill.Mandrill(secrets), signs_address=True),
    klaviyo.NAME: _Kind(lambda secrets, _: klaviyo.Klaviyo(secrets)),
    customerio.NAME: _Kind(lambda secrets, _: customerio.CustomerIo(secrets)),
    shopify_orders.NAME: _Kind(
        _shopify,
        options=("SOLD_AS", "STOREFRONT", "CURRENCY", "COUNTS_STOCK"),
        headers=("x-shopify-topic", "x-shopify-test", "x-shopify-shop-domain"),
    ),
    stripe.NAME: _Kind(lambda secrets, _: stripe.Stripe(secrets)),
    woocommerce.NAME: _Kind(
        _woocommerce, options=("SOLD_AS", "CURRENCY"), headers=("x-wc-webhook-topic",)
    ),
    standard_webhooks.NAME: _Kind(lambda secrets, _: standard_webhooks.StandardWebhooks(secrets)),
    cloudevents_http.NAME: _Kind(
        lambda secrets, _: cloudevents_http.CloudEvents(secrets), headers=("content-type", "ce-")
    ),
}

SOURCES: Final = tuple(_KINDS)
"""Names of all that are built in."""


def open_sources(settings: Settings, environ: Mapping[str, str]) -> dict[str, Opened]:
    """The sources that are set up, by name.

    Args:
        settings: Where the TOML files are, and what senders call us.
        environ: Of the process.

    Raises:
        SettingsError: A variable or a file can't be used; the message shows no secret.
    """
    opened: dict[str, Opened] = {}
    known: set[str] = set()
    for name, kind in _KINDS.items():
        given = Variables(name, environ)
        known |= {given.variable(option) for option in ("SECRET", "SECRET_FILE", *kind.options)}
        secrets = given.secrets()
        if secrets:
            _check_address(name, settings, signed=kind.signs_address)
            source, again = kind.make(secrets, given), kind.repeats_unless_200
            opened[name] = Opened(name, source, REMEMBERED, kind.headers, again)
    for mapping, path in _mappings(settings.webhooks_folder):
        _check_name(mapping.name, path, opened)
        given = Variables(mapping.name, environ)
        known |= {given.variable(option) for option in ("SECRET", "SECRET_FILE")}
        opened[mapping.name] = _generic(mapping, given, settings, path)
    _check_variables(environ, known)
    return opened


def not_set_up(name: str) -> str:
    """What to do about a source that there is not."""
    if name in SOURCES:
        return f"the source is not set up: set {Variables(name, {}).variable('SECRET')}"
    known = ", ".join(SOURCES)
    return f"no such source: choose {known}, or describe it in HOMING_WEBHOOKS_FOLDER"


def _generic(mapping: WebhookMapping, given: Variables, settings: Settings, path: Path) -> Opened:
    secrets = given.secrets()
    if not secrets:
        message = f"{path}: the source has no secret: set {given.variable('SECRET')} or …_FILE"
        raise SettingsError(message)
    _check_address(mapping.name, settings, signed="{url}" in mapping.signature.signed)
    tolerance = mapping.signature.tolerance
    if tolerance > MOST_TOLERANCE.total_seconds():
        message = f"{path}: signature.tolerance is {tolerance:g} s: give a week at most"
        raise SettingsError(message)
    # A delivery may be dated ahead by as much, and then be as old.
    remembered = max(REMEMBERED, 2 * timedelta(seconds=tolerance))
    return Opened(mapping.name, Generic(mapping, secrets), remembered)


def _mappings(folder: Path | None) -> Iterator[tuple[WebhookMapping, Path]]:
    if folder is None:
        return
    if not folder.is_dir():
        message = f"HOMING_WEBHOOKS_FOLDER {folder} is no folder: make it, or leave it unset"
        raise SettingsError(message)
    for path in sorted(folder.glob("*.toml")):
        try:
            yield load_webhook(path), path
        except InvalidArgument as error:
            raise SettingsError(str(error)) from error


def _check_name(name: str, path: Path, opened: Mapping[str, Opened]) -> None:
    if _NAME.fullmatch(name) is None:
        message = f"{path}: the name {shorten(name)} is part of an address: use a-z, 0-9, - and _"
        raise SettingsError(message)
    taken = {Variables(other, {}).variable("") for other in (*_KINDS, *opened, *RESERVED)}
    if Variables(name, {}).variable("") in taken:
        message = f"{path}: another source is called {name} already: choose another name"
        raise SettingsError(message)


def _check_address(name: str, settings: Settings, *, signed: bool) -> None:
    if signed and not settings.public_url.startswith(("https://", "http://")):
        message = (
            f"HOMING_PUBLIC_URL is not set, and {name} signs the address that it was told: set "
            "what stands before /v1 in it, like https://homing.example.com"
        )
        raise SettingsError(message)


def _check_variables(environ: Mapping[str, str], known: set[str]) -> None:
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            message = (
                f"{name} is no setting: the sources are {', '.join(_KINDS)} and those in "
                "HOMING_WEBHOOKS_FOLDER; docs/sources.md tells what each can be given"
            )
            raise SettingsError(message)
