"""What must be so in PostgreSQL before its changes can be followed; a lack is told with its cure.

The statements are PostgreSQL's own: the views `pg_publication_tables` and `pg_replication_slots`
(https://www.postgresql.org/docs/current/view-pg-replication-slots.html), and the functions for
logical decoding (https://www.postgresql.org/docs/current/functions-admin.html).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from features.errors import SettingsError, StoreUnavailable
from homing.follow.rows import Shape

CONNECT_SECONDS: Final = 10
_PASSED: Final = ("sslmode", "sslrootcert", "sslcert", "sslkey")
"""What of the URL besides its places is passed on."""
_FOR_GOOD: Final = (
    "authentication failed",
    "no pg_hba.conf entry",
    "does not exist",
    "no password",
)
"""Parts of what a server says that refuses us for good."""

_SHAPE: Final = """
SELECT a.attname, format_type(a.atttypid, a.atttypmod), c.relreplident = 'f',
       a.attnum = ANY (coalesce(i.indkey::int2[], '{}'))
FROM pg_class c
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid
     AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident END
WHERE c.oid = to_regclass(%s)
ORDER BY a.attnum
"""
_SLOT: Final = """
SELECT plugin, coalesce(wal_status, 'lost'), confirmed_flush_lsn - '0/0', active_pid
FROM pg_replication_slots WHERE slot_name = %s AND database = current_database()
"""
_NEW_SLOT: Final = "SELECT lsn - '0/0' FROM pg_create_logical_replication_slot(%s, 'pgoutput')"


class Address(NamedTuple):
    """Where a database is.

    Attributes:
        url: As it was given; has the password in it.
        host: Its host.
        port: Its port.
        database: Its name.
        user: Who we are.
        password: Empty where none is needed.
        more: `sslmode` and its like.
    """

    url: str
    host: str
    port: int
    database: str
    user: str
    password: str
    more: Mapping[str, str]


class Slot(NamedTuple):
    """A replication slot.

    Attributes:
        position: What lies before it in the log is no longer sent.
        holder: The server's process that somebody is reading it by; None when nobody is.
    """

    position: int
    holder: int | None


def address_of(url: str) -> Address:
    """Where a URL leads.

    Raises:
        SettingsError: It can't be used; it is not shown, for it has the password in it.
    """
    message = (
        "the database's URL can't be used: write one like "
        "postgresql://USER:PASSWORD@HOST:5432/NAME?sslmode=verify-full"
    )
    plain = url.replace("postgresql+psycopg://", "postgresql://", 1)
    try:
        given: dict[str, Any] = conninfo_to_dict(plain)
        port = int(given.get("port") or 5432)
    except (psycopg.ProgrammingError, ValueError):
        raise SettingsError(message) from None
    host, user = given.get("host") or "localhost", given.get("user")
    if not user or "/" in host or "," in host:
        raise SettingsError(message)
    return Address(
        url=plain,
        host=host,
        port=port,
        database=given.get("dbname") or user,
        user=user,
        password=given.get("password") or "",
        more={key: given[key] for key in _PASSED if key in given},
    )


class Database:
    """A connection to the database that is followed.

    Args:
        connection: It, committing by itself.
    """

    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def check_log(self) -> None:
        """Return if the server logs enough.

        Raises:
            SettingsError: It does not.
        """
        level = self._one("SHOW wal_level")[0]
        if level != "logical":
            message = (
                f"the server logs too little (wal_level is {level}): set wal_level = logical in "
                "postgresql.conf and restart it"
            )
            raise SettingsError(message)

    def shape(self, table: str) -> Shape | None:
        """How a table is made; None when there is none of that name that we may see."""
        rows = self._connection.execute(_SHAPE, [_quoted(table)]).fetchall()
        if not rows:
            return None
        columns = {name: kind for name, kind, _, _ in rows}
        key = frozenset(name for name, _, _, is_key in rows if is_key)
        return Shape(columns=columns, key=key, full=rows[0][2])

    def check_publication(self, publication: str, tables: Sequence[str]) -> None:
        """Return if the tables are in the publication.

        Raises:
            SettingsError: They aren't, or there is none.
        """
        found = self._connection.execute(
            "SELECT schemaname || '.' || tablename FROM pg_publication_tables WHERE pubname = %s",
            [publication],
        ).fetchall()
        there = self._connection.execute(
            "SELECT FROM pg_publication WHERE pubname = %s", [publication]
        ).fetchone()
        missing = [one for one in tables if (one,) not in found]
        if not missing:
            return
        names = ", ".join(missing)
        cure = (
            f"CREATE PUBLICATION {publication} FOR TABLE {names}"
            if there is None
            else f"ALTER PUBLICATION {publication} ADD TABLE {names}"
        )
        message = f"the publication {publication} does not have {names}: {cure}"
        raise SettingsError(message)

    def slot(self, name: str, forget: str) -> Slot | None:
        """The slot of that name; None when there is none.

        Args:
            name: Its name.
            forget: How to begin anew, for the message.

        Raises:
            SettingsError: It is of another kind, or the server no longer has what it should send.
        """
        row = self._one(_SLOT, name)
        if not row:
            return None
        plugin, status, position, holder = row
        drop = f"SELECT pg_drop_replication_slot('{name}')"
        if plugin != "pgoutput":
            message = f"the slot {name} is of {plugin}, not of pgoutput: name another, or {drop}"
            raise SettingsError(message)
        if status == "lost":
            message = (
                f"the slot {name} is lost: the server removed changes that were not fetched in "
                f"time (max_slot_wal_keep_size); {drop}, then {forget}"
            )
            raise SettingsError(message)
        return Slot(int(position), holder)

    def create_slot(self, name: str) -> Slot:
        """Make a slot that begins here.

        Raises:
            SettingsError: We may not, or there are too many.
        """
        try:
            return Slot(int(self._one(_NEW_SLOT, name)[0]), None)
        except psycopg.errors.InsufficientPrivilege:
            user = self._connection.info.user
            message = (
                f"the user {user} may not make replication slots: ALTER ROLE {user} REPLICATION"
            )
            raise SettingsError(message) from None
        except psycopg.errors.ConfigurationLimitExceeded:
            message = "the server has no room for another slot: raise max_replication_slots"
            raise SettingsError(message) from None

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        return self._connection.execute(query.encode(), values).fetchone() or ()


@contextmanager
def connected(address: Address) -> Iterator[Database]:
    """A connection, closed at the end.

    Raises:
        SettingsError: The server refuses us for good.
        StoreUnavailable: It does not answer, or fails meanwhile.
    """
    try:
        with psycopg.connect(
            address.url, autocommit=True, connect_timeout=CONNECT_SECONDS
        ) as connection:
            yield Database(connection)
    except psycopg.OperationalError as error:
        text = str(error)
        where = f"the database {address.database} at {address.host}:{address.port}"
        if any(part in text for part in _FOR_GOOD):
            message = f"{where} refuses the user {address.user}: see to the URL and to pg_hba.conf"
            raise SettingsError(message) from None
        message = f"{where} does not answer: {text.partition(chr(10))[0]}"
        raise StoreUnavailable(message) from error
    except psycopg.Error as error:
        message = f"the database refuses what is asked of it: {type(error).__name__}"
        raise SettingsError(message) from error


def _quoted(table: str) -> str:
    return ".".join(f'"{part}"' for part in table.split("."))
