"""What persons did, each event under whom its key is known to be: how models read events.

What a robot did is left out. What an alias did counts for whom it turned out to be
(`features.alias`), as of T: an `identify` from T on is not known yet, so that a model never learns
from the future. Profiles say the same of now.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from features import columns as c
from features.event import EventType

if TYPE_CHECKING:
    import ibis

SINCE: Final = "since"
"""When a customer was first the customer of an `identify`."""


def persons(events: ibis.Table, as_of: datetime) -> ibis.Table:
    """What persons did before a moment, under whom they were known to be then.

    Args:
        events: The lake's events (`Lake.events`), on DuckDB.
        as_of: T, aware.

    Returns:
        The columns of `events`. Who is whom is read at once, all else when it is asked for.
    """
    past = events.filter(events[c.OCCURRED_AT] < as_of.astimezone(UTC))
    return under(acts(past), owners(claims(events), as_of))


def acts(events: ibis.Table) -> ibis.Table:
    """What persons did: neither what robots did nor who is whom."""
    identify = events[c.TYPE] == EventType.IDENTIFY.value
    return events.filter(~events[c.MACHINE], ~identify)


def claims(events: ibis.Table) -> ibis.Table:
    """What was said of who is whom: `alias`, `customer` and `occurred_at`."""
    said = events.filter(
        events[c.TYPE] == EventType.IDENTIFY.value,
        ~events[c.MACHINE],
        events[c.ALIAS] != events[c.CUSTOMER],
    )
    return said.select(c.ALIAS, c.CUSTOMER, c.OCCURRED_AT)


def owners(claims: ibis.Table, as_of: datetime) -> pa.Table:
    """Whose each alias is known to be in the end.

    Args:
        claims: As `claims` gives them; customers may be numbers in the order of their keys.
        as_of: T, aware; later ones are not looked at.

    Returns:
        `alias` and `customer`, a row an alias; no row for one who is nobody else's.
    """
    known = claims.filter(claims[c.OCCURRED_AT] < as_of.astimezone(UTC))
    earliest = known.group_by(c.ALIAS).aggregate(**{c.OCCURRED_AT: known[c.OCCURRED_AT].min()})
    firsts = known.semi_join(earliest, [c.ALIAS, c.OCCURRED_AT])
    links = firsts.group_by([c.ALIAS, c.OCCURRED_AT]).aggregate(
        **{c.CUSTOMER: firsts[c.CUSTOMER].min()}
    )
    since = known.group_by(c.CUSTOMER).aggregate(**{SINCE: known[c.OCCURRED_AT].min()})
    since = since.select(SINCE, **{c.ALIAS: since[c.CUSTOMER]})
    beside = links.left_join(since, c.ALIAS)
    whose = beside.filter(beside[SINCE].isnull() | (beside[SINCE] > beside[c.OCCURRED_AT]))
    return _ends(whose.select(c.ALIAS, c.CUSTOMER).to_pyarrow())


def under(events: ibis.Table, owners: pa.Table) -> ibis.Table:
    """The same events, those of aliases under their owners.

    Args:
        events: With a column `customer`.
        owners: From `owners`.
    """
    import ibis  # noqa: PLC0415 - an extra, and whoever has a table has it

    if not owners.num_rows:
        return events
    links = ibis.memtable(owners.rename_columns(["is_alias", "is_whose"]))
    beside = events.left_join(links, events[c.CUSTOMER] == links.is_alias)
    customer = beside.is_whose.coalesce(beside[c.CUSTOMER])
    return beside.mutate(**{c.CUSTOMER: customer}).select(*events.columns)


def _ends(links: pa.Table) -> pa.Table:
    """The links with the end of each chain instead of its next; there is no circle."""
    aliases, customers = (links.column(name).combine_chunks() for name in (c.ALIAS, c.CUSTOMER))
    # Every step doubles how far each has been followed along its chain.
    steps = len(aliases).bit_length()
    while steps and (further := pc.index_in(customers, aliases)).null_count < len(further):
        customers = pc.coalesce(customers.take(further), customers)
        steps -= 1
    return pa.table({c.ALIAS: aliases, c.CUSTOMER: customers})
