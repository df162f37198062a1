"""From a file to a source that can be asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec
from dlt.extract import DltResource

from features.clock import Clock
from homing.declaring import Variables, filled
from homing.sync.declared import Declared, Sql
from homing.sync.fetching import Opened
from homing.sync.rest import patient_session, rest_resource
from homing.sync.sql import open_database, sql_resource

TODAY: Final = "TODAY"
"""The variable that nobody sets."""


@contextmanager
def open_source(declared: Declared, variables: Variables, clock: Clock) -> Iterator[Opened]:
    """A source, closed afterwards.

    Args:
        declared: What it is.
        variables: Its own, of the environment.
        clock: Ours.

    Raises:
        SettingsError: A variable is missing or can't be used.
    """
    name, cursor = declared.name, declared.cursor

    def value_of(variable: str) -> str:
        return clock.now().date().isoformat() if variable == TODAY else variables.get(variable)

    pages = cursor.pages if cursor is not None and (cursor.ordered or declared.sql) else None
    if declared.sql is not None:
        sql = msgspec.convert(filled(msgspec.to_builtins(declared.sql), value_of), Sql)
        engine = open_database(variables.get("URL"))
        try:
            yield Opened(lambda: sql_resource(name, sql, cursor, engine), pages)
        finally:
            engine.dispose()
    elif declared.rest is not None:
        rest = declared.rest
        with patient_session(clock, lines=rest.format == "lines") as session:

            def resource() -> DltResource:
                return rest_resource(name, (rest, cursor), value_of, session)

            yield Opened(resource, pages)
