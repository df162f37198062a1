"""All features side by side, as of T: what models are trained on and scored with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from types import ModuleType
from typing import TYPE_CHECKING

import pyarrow as pa

from features import columns as c
from features.definitions import (
    category_affinity,
    email_engagement,
    frequency,
    inter_purchase,
    monetary,
    recency,
    season,
    tenure,
    trend,
)
from features.definitions.window import before
from features.engine import declared, open_engine
from features.errors import InvalidArgument
from features.lake import Lake
from features.persons import acts, claims, owners, under

if TYPE_CHECKING:
    import ibis
    from ibis.backends.duckdb import Backend

DEFINITIONS: tuple[ModuleType, ...] = (
    recency,
    frequency,
    monetary,
    tenure,
    inter_purchase,
    email_engagement,
    category_affinity,
    trend,
    season,
)
FEATURES: tuple[str, ...] = tuple(name for one in DEFINITIONS for name in one.NAMES)
DECIMALS = 6
"""Features are rounded to so many, below which the order of summation would show."""

_READ, _PAST, _CLAIMS, _CATALOGUE = "read", "past", "claims", "catalogue"
_WHO, _WHAT = "who", "what"
_NUMBER = "number"


def define(events: ibis.Table, items: ibis.Table, as_of: datetime) -> ibis.Table:
    """All definitions joined: `customer`, then `FEATURES`, one row a customer, no null.

    Every definition covers the same customers: those with any event before `as_of`.
    """
    each = [one.define(events, items, as_of) for one in DEFINITIONS]
    joined = reduce(lambda left, right: left.inner_join(right, c.CUSTOMER), each)
    return joined.select(
        c.CUSTOMER, **{name: joined[name].cast("float64").round(DECIMALS) for name in FEATURES}
    )


class Past:
    """The events before a moment, read once, for features as of that moment and of earlier ones.

    Made by `open_past`.
    """

    def __init__(self, engine: Backend, until: datetime) -> None:
        self._until = until
        self._customers, self._events, self._claims, self._items = map(
            engine.table, (_WHO, _PAST, _CLAIMS, _CATALOGUE)
        )

    def features(self, as_of: datetime) -> pa.Table:
        """Features of everybody with any event before `as_of`, in the order of customer keys.

        Args:
            as_of: T, aware, not later than what was opened. Only events with
                `occurred_at < as_of` are looked at.

        Returns:
            `customer` (string) and `FEATURES` (float64, finite, never null).

        Raises:
            InvalidArgument: `as_of` is later than that.
        """
        if as_of > self._until:
            reason = f"only events before {self._until.isoformat()} were read"
            raise InvalidArgument.of(as_of, field="as_of", reason=reason, cure="read later ones")
        known = under(self._events, owners(self._claims, as_of))
        told = define(known, self._items, as_of)
        named = self._customers.inner_join(told, self._customers[_NUMBER] == told[c.CUSTOMER])
        return named.order_by(_NUMBER).select(c.CUSTOMER, *FEATURES).to_pyarrow()


@contextmanager
def open_past(lake: Lake, until: datetime, version: int | None = None) -> Iterator[Past]:
    """The events before a moment.

    Args:
        lake: Holds the events and the items.
        until: Aware; the latest moment that features are wanted of.
        version: Of the table of events; the newest without one. The catalogue is the newest.

    Raises:
        InvalidArgument: `until` has no time zone.
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
    """
    if until.tzinfo is None:
        cure = "give a moment with its zone, like 2017-11-05T00:00:00Z"
        raise InvalidArgument.of(until, field="as_of", reason="no time zone", cure=cure)
    with TemporaryDirectory(prefix="homing-") as spill, ExitStack() as stack:
        engine = open_engine(spill=Path(spill))
        stack.enter_context(closing(engine.con))
        stack.enter_context(declared(lake.root))
        _number(engine, before(lake.events(engine, version), until), lake.items(engine))
        yield Past(engine, until)


def feature_table(lake: Lake, as_of: datetime, version: int | None = None) -> pa.Table:
    """Features as of one moment: `Past.features` of what `open_past` opens.

    Raises:
        InvalidArgument: `as_of` has no time zone.
        LakeMissing: There is no history.
        LakeUnavailable: It can't be read.
    """
    with open_past(lake, as_of, version) as past:
        return past.features(as_of)


def _number(engine: Backend, events: ibis.Table, items: ibis.Table) -> None:
    """Keep what definitions read, customers and items as numbers and days as dates.

    Definitions group and count by them again and again, which takes text several times as long.
    Customers are numbered in the order of their keys. Who is whom stays beside: it depends on T.
    """
    columns = (c.TYPE, c.CUSTOMER, c.OCCURRED_AT, c.ITEM, c.VALUE, c.DATE, c.MACHINE, c.ALIAS)
    # Read the files once, not once for each question.
    read = engine.create_table(_READ, events.filter(~events[c.MACHINE]).select(*columns), temp=True)
    keys = read.select(c.CUSTOMER).union(read.select(**{c.CUSTOMER: read[c.ALIAS]}))
    who, what = (
        engine.create_table(name, _numbered(named, column), temp=True)
        for name, named, column in ((_WHO, keys, c.CUSTOMER), (_WHAT, read, c.ITEM))
    )
    engine.create_table(_CLAIMS, _claims(read, who), temp=True)
    known = acts(read).inner_join(who, c.CUSTOMER).left_join(what, c.ITEM)
    numbers = {c.CUSTOMER: who[_NUMBER], c.ITEM: what[_NUMBER], c.DATE: read[c.DATE].cast("date")}
    engine.create_table(_PAST, known.select(c.TYPE, c.OCCURRED_AT, c.VALUE, **numbers), temp=True)
    catalogue = items.inner_join(what, items[c.ID] == what[c.ITEM])
    engine.create_table(
        _CATALOGUE, catalogue.select(c.CATEGORIES, **{c.ID: what[_NUMBER]}), temp=True
    )
    # Ibis' own drop_table leaves out the name, with the sqlglot that we have.
    engine.con.execute(f"DROP TABLE {_READ}")


def _claims(read: ibis.Table, who: ibis.Table) -> ibis.Table:
    """What was said of who is whom, in numbers."""
    said = claims(read)
    aliases = who.select(**{c.ALIAS: who[c.CUSTOMER], "alias_number": who[_NUMBER]})
    numbered = said.inner_join(who, c.CUSTOMER).inner_join(aliases, c.ALIAS)
    numbers = {c.CUSTOMER: numbered[_NUMBER], c.ALIAS: numbered.alias_number}
    return numbered.select(c.OCCURRED_AT, **numbers)


def _numbered(read: ibis.Table, column: str) -> ibis.Table:
    """The distinct values of a column, in order, and the number of each."""
    import ibis  # noqa: PLC0415 - an extra, and whoever has a Backend has it

    distinct = read.filter(read[column].notnull()).select(column).distinct()
    order = ibis.row_number().over(order_by=column)
    return distinct.mutate(**{_NUMBER: order.cast("int32")})
