"""What is looked up for events, as SQL around the query that makes them.

Both steps leave every row: what is not found stays as it was, and is told in a column of its own.
"""

# ruff: noqa: S608 - every part is a constant of ours or was quoted

from __future__ import annotations

from typing import Final

from features import columns as c
from features.column_sql import literal, quoted
from features.event import EventType
from features.mapping import Join
from features.money import DIGITS, PLACES, USUAL_DIGITS

ITEMS: Final = "homing items"
"""The table to join: `word` that the source has for an item, `id`, `price`, `currency`."""
RATES: Final = "homing rates"
"""The table of rates: `currency`, `day` from which it holds, `rate`."""
VALUE_GIVEN: Final = "value_given"
"""Whether there is anything where the amount should be, readable or not."""
KNOWN: Final = "known"
"""Whether the item is in the catalogue, or none is named."""
RATED: Final = "rated"
"""Whether the value is in the shop's currency, or there is none."""
PAID: Final = "paid"
PAID_IN: Final = "paid_in"
"""The value and the currency before they were turned into the shop's."""
_SOLD: Final = (EventType.CART, EventType.PURCHASE, EventType.RETURN)


def joined(events: str, join: Join) -> str:
    """Events whose items are looked up in `ITEMS`; adds `KNOWN`."""
    fields = f"coalesce(found.id, said.{c.ITEM}) AS {c.ITEM}"
    if join.fill_value:
        sold = ", ".join(literal(str(one)) for one in _SOLD)
        bare = f"NOT said.{VALUE_GIVEN} AND said.{c.TYPE} IN ({sold}) AND found.price IS NOT NULL"
        worth = f"round(found.price * said.{c.QUANTITY}, {PLACES})"
        fields += (
            f", CASE WHEN {bare} THEN {worth} ELSE said.{c.VALUE} END AS {c.VALUE}, "
            f"CASE WHEN {bare} THEN coalesce(found.currency, said.{c.CURRENCY}) "
            f"ELSE said.{c.CURRENCY} END AS {c.CURRENCY}"
        )
    return (
        f"SELECT said.* REPLACE ({fields}), "
        f"said.{c.ITEM} IS NULL OR found.id IS NOT NULL AS {KNOWN} "
        f"FROM ({events}) AS said LEFT JOIN {quoted(ITEMS)} AS found ON found.word = said.{c.ITEM}"
    )


def exchanged(events: str, to: str) -> str:
    """Events whose values are in one currency, by `RATES`; adds `PAID`, `PAID_IN`, `RATED`."""
    value, currency = f"said.{c.VALUE}", f"said.{c.CURRENCY}"
    return (
        "SELECT said.* REPLACE ("
        f"coalesce(round({value} * found.rate, {PLACES}), {value}) AS {c.VALUE}, "
        f"CASE WHEN {value} * found.rate IS NULL THEN {currency} ELSE {literal(to)} END "
        f"AS {c.CURRENCY}), {value} AS {PAID}, {currency} AS {PAID_IN}, "
        f"{value} IS NULL OR found.rate IS NOT NULL AS {RATED} "
        f"FROM ({events}) AS said ASOF LEFT JOIN {quoted(RATES)} AS found "
        f"ON {currency} = found.currency AND CAST(said.{c.OCCURRED_AT} AS DATE) >= found.day"
    )


def in_units(amount: str, currency: str) -> str:
    """An amount in the smallest unit of its currency, in the currency; NULL where it has none."""
    digits = " ".join(f"WHEN {literal(code)} THEN {10**n}.0" for code, n in DIGITS.items())
    unit = f"CASE {currency} {digits} ELSE {10**USUAL_DIGITS}.0 END"
    return f"CASE WHEN {currency} IS NOT NULL THEN round({amount} / {unit}, {PLACES}) END"
