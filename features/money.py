"""Money in the shop's one currency: the rates of a mapping, and the smallest units of currencies.

Rates come from the mapping or from a file beside it, never from the network. That of the event's
own day counts, or the last one known before it; where there is none, the event is refused. A rate
says how much one unit of a currency is worth in the shop's.
"""

from __future__ import annotations

import csv
import datetime as dt
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec

from features.event import is_currency
from features.toml_tables import Table, parse_table, read_text, refused

NO_RATE: Final = "no rate of its currency for that day"
"""Why an event is refused whose value can't be turned into the shop's currency."""
PLACES: Final = 6
"""Decimal places that amounts are rounded to: 0.55 times 3 is 1.65, not 1.6500000000000001."""
EXAMPLE: Final = "the one in docs/importing.md"
PAGE: Final = "docs/importing.md"

_WHOLE: Final = (
    *("BIF", "CLP", "DJF", "GNF", "ISK", "JPY", "KMF", "KRW", "PYG", "RWF", "UGX", "UYI"),
    *("VND", "VUV", "XAF", "XOF", "XPF"),
)
_THOUSANDTHS: Final = ("BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND")
DIGITS: Final[Mapping[str, int]] = (
    dict.fromkeys(_WHOLE, 0) | dict.fromkeys(_THOUSANDTHS, 3) | dict.fromkeys(("CLF", "UYW"), 4)
)
"""Decimal digits of the smallest unit, where they are not 2: ISO 4217, list one, "minor unit"
(https://www.iso.org/iso-4217-currency-codes.html)."""
USUAL_DIGITS: Final = 2
_HALF: Final = 0.5
_MARK: Final = "\ufeff"
"""What spreadsheets put before the first name."""


class Exchange(Table, frozen=True):
    """The section `[currency]`: what every value is turned into.

    Attributes:
        to: The shop's currency, ISO 4217.
        rates: Currency → what one unit of it is worth, on every day that the file knows no other.
        file: CSV with the columns `date,currency,rate`, or TOML with `[[rates]]` of these three;
            beside the mapping.
    """

    to: str
    rates: dict[str, float] = msgspec.field(default_factory=dict)
    file: str | None = None

    def beside(self, path: Path) -> Exchange:
        """The same, with the file where it is seen from the mapping's own path."""
        file = None if self.file is None else str(path.parent / self.file)
        return msgspec.structs.replace(self, file=file)


class _Rate(Table, frozen=True):
    date: dt.date
    currency: str
    rate: float


class _File(Table, frozen=True):
    rates: tuple[_Rate, ...]


class Rates:
    """Rates by currency and day.

    Args:
        to: The shop's currency.
        rates: Any number for a currency; the last one of a day counts.
    """

    def __init__(self, to: str, rates: Iterable[tuple[str, dt.date, float]]) -> None:
        self.to = to
        known = {(currency, day): rate for currency, day, rate in rates}
        known.setdefault((to, dt.date.min), 1.0)
        ordered = sorted((currency, day, rate) for (currency, day), rate in known.items())
        self._days: dict[str, list[dt.date]] = {}
        self._rates: dict[str, list[float]] = {}
        for currency, ones in groupby(ordered, itemgetter(0)):
            _, days, found = zip(*ones, strict=True)
            self._days[currency], self._rates[currency] = list(days), list(found)

    def on(self, currency: str, day: dt.date) -> float | None:
        """What a unit was worth on a day, in UTC; None where that is not known."""
        place = bisect_right(self._days.get(currency, ()), day)
        return self._rates[currency][place - 1] if place else None

    def worth(self, value: float, currency: str, day: dt.date) -> float | None:
        """An amount in the shop's currency; None where that is not known."""
        rate = self.on(currency, day)
        return None if rate is None else rounded(value * rate)

    def rows(self) -> Iterator[tuple[str, dt.date, float]]:
        """Currency, day from which it holds, rate; by currency and day."""
        for currency, days in self._days.items():
            for day, rate in zip(days, self._rates[currency], strict=True):
                yield currency, day, rate


def read_rates(exchange: Exchange, name: str) -> Rates:
    """The rates that a mapping gives.

    Args:
        exchange: Its section.
        name: Of its file, for messages.

    Raises:
        InvalidArgument: The file can't be read, or something is no currency or no rate.
    """
    if not is_currency(exchange.to):
        cure = "give an ISO 4217 code like GBP"
        raise refused(name, "currency.to", exchange.to, "not a currency code", cure)
    always = [(currency, dt.date.min, rate) for currency, rate in exchange.rates.items()]
    dated = [] if exchange.file is None else list(_read(Path(exchange.file)))
    for where, rates in ((f"{name}: currency.rates", always), (str(exchange.file), dated)):
        for currency, day, rate in rates:
            if not is_currency(currency) or not 0 < rate < math.inf:
                said = f"{currency} {rate} ({day})"
                cure = "give an ISO 4217 code like GBP, and a number above 0"
                raise refused(where, "", said, "not a rate", cure)
            if currency == exchange.to and rate != 1:
                cure = f"give rates that say what one unit is worth in {currency}"
                raise refused(where, "", f"{currency} {rate} ({day})", "not worth itself", cure)
    return Rates(exchange.to, [*always, *dated])


def in_units(value: float, currency: str) -> float:
    """An amount that is written in the smallest unit of its currency: 1999 of GBP is 19.99."""
    units: int = 10 ** DIGITS.get(currency, USUAL_DIGITS)
    return rounded(value / units)


def rounded(amount: float) -> float:
    """An amount with `PLACES`, halves away from zero: the number that DuckDB's `round` gives.

    Python's own differs in the last place for two of five halves, and an event that a webhook and a
    sync both bring must say the same.
    """
    scaled = abs(amount) * 10**PLACES
    if not math.isfinite(scaled):
        return amount
    whole = math.floor(scaled)
    return math.copysign((whole + (scaled - whole >= _HALF)) / 10**PLACES, amount)


def _read(path: Path) -> Iterator[tuple[str, dt.date, float]]:
    text = read_text(path, EXAMPLE)
    if path.suffix == ".toml":
        for one in parse_table(text, str(path), _File, PAGE).rates:
            yield one.currency, one.date, one.rate
        return
    lines = csv.DictReader(text.removeprefix(_MARK).splitlines())
    try:
        for line in lines:
            day = dt.date.fromisoformat((line["date"] or "").strip())
            yield line["currency"].strip(), day, float(line["rate"])
    except (KeyError, ValueError, TypeError, AttributeError, csv.Error) as error:
        cure = "give it the columns date,currency,rate, like 2026-01-31,USD,0.79"
        raise refused(str(path), f"line {lines.line_num}", "", "not a rate", cure) from error
