"""The template fetch: what mails ask when they are opened, in waves.

It is plain ASGI with a parser of its own, because the usual way through a framework takes longer
than the answer. Past the checks nothing can make it anything but a 200, unless far too many ask at
once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

from starlette.types import Scope as HttpScope

from features.errors import InputError, InvalidArgument, Problem, shorten
from features.identity import CustomerKeys
from serving.attempt import Answer, Waiting
from serving.keys import Scope
from serving.ranking.blocks import MAX_SIZE
from serving.service import Service
from serving.slate import Ask
from serving.web.gate import Gate

PATH: Final = "/v1/recommendations"
MAX_QUERY: Final = 8_000
"""Bytes of a query that are looked at."""
MAX_PARAMETERS: Final = 100
LEAST_DEADLINE: Final = 10
"""Milliseconds; nobody can be answered sooner for sure."""
_DIGITS = 4
_LONG_DIGITS = 6


class Fetch:
    """The template fetch.

    Args:
        service: Answers.
        gate: Lets in.
        customers: Turns outside ids into keys.
    """

    def __init__(self, service: Service, gate: Gate, customers: CustomerKeys) -> None:
        self._service = service
        self._gate = gate
        self._customers = customers
        self._asked: list[tuple[HttpScope, Waiting]] = []

    def answer(self, request: HttpScope) -> asyncio.Future[Answer]:
        """One slate.

        It fails with `AccessError` when the caller may not ask, `InvalidArgument` when what is
        asked can't be used, and `Overloaded` when far too many ask at once.
        """
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.begin(request, waiting)
        return waiting

    def begin(self, request: HttpScope, waiting: Waiting) -> None:
        """Have an answer made for who waits already, as `answer`."""
        self._asked.append((request, waiting))
        if len(self._asked) == 1:
            asyncio.get_running_loop().call_soon(self._begin_all)

    def _begin_all(self) -> None:
        """Begin with all who came in the same turn of the loop.

        In a row, looking at a request takes half of what it takes between two others.
        """
        asked, self._asked = self._asked, []
        for request, waiting in asked:
            if waiting.done():  # whoever asked has gone away
                continue
            try:
                self._gate.admit(request, Scope.RECOMMEND)
                ask = parse_ask(parse_query(request), self._customers)
                self._service.begin(ask, waiting)
            except Exception as error:  # noqa: BLE001 - whoever waits raises it
                with suppress(asyncio.InvalidStateError):  # it was answered before that
                    waiting.set_exception(error)


def parse_query(request: HttpScope) -> Mapping[str, str]:
    """The query's parameters; of one that comes several times the last.

    Raises:
        InvalidArgument: It is longer than any template's.
    """
    query: bytes = request.get("query_string", b"")
    text = query.decode("latin-1")
    if len(text) > MAX_QUERY or text.count("&") > MAX_PARAMETERS:
        cure = f"send at most {MAX_QUERY} bytes and {MAX_PARAMETERS} parameters"
        raise InvalidArgument([_problem("query", f"{len(text)} bytes", "too long", cure)])
    if "%" in text or "+" in text:
        return dict(parse_qsl(text, keep_blank_values=True, errors="replace"))
    # Nothing is encoded, as in nearly every template: splitting is all there is to do.
    given: dict[str, str] = {}
    for part in text.split("&"):
        name, _, value = part.partition("=")
        given[name] = value
    return given


def parse_ask(query: Mapping[str, str], customers: CustomerKeys) -> Ask:
    """What the query asks; parameters that are not known are left to others.

    Raises:
        InvalidArgument: Something is missing or can't be used; the error lists all of it.
    """
    problems: list[Problem] = []
    customer = ""
    try:
        customer = customers.resolve(query.get("customer", ""))
    except InputError as error:
        problems += error.problems
    block = query.get("block", "")
    if not block:
        problems.append(_problem("block", block, "missing", "name the place in the mail"))
    given: dict[str, Any] = {}
    for name, parse in _OPTIONS:
        text = query.get(name)
        if text is not None:
            try:
                given[name] = parse(text)
            except InputError as error:
                problems += error.problems
    if problems:
        raise InvalidArgument(problems)
    # An empty `send=` is what a template writes that has none.
    return Ask(customer=customer, block=block, send=query.get("send") or None, **given)


def parse_count(text: str) -> int:
    """How many items a query asks for.

    Raises:
        InvalidArgument: It is not a number from 1 to `MAX_SIZE`.
    """
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS and 1 <= int(text) <= MAX_SIZE:
        return int(text)
    raise InvalidArgument([_problem("n", text, "not a usable count", f"send 1 to {MAX_SIZE}")])


def parse_deadline(text: str) -> int:
    """How many milliseconds a query gives us.

    Raises:
        InvalidArgument: It is not a number of them.
    """
    if text.isascii() and text.isdigit() and len(text) <= _LONG_DIGITS:
        milliseconds = int(text)
        if milliseconds >= LEAST_DEADLINE:
            return milliseconds
    cure = f"send milliseconds from {LEAST_DEADLINE}"
    raise InvalidArgument([_problem("deadline_ms", text, "not a usable time", cure)])


def parse_switch(name: str, text: str) -> bool:
    """Whether a query switches something on.

    Raises:
        InvalidArgument: It is neither `1` nor `0`.
    """
    if text in {"0", "1"}:
        return text == "1"
    raise InvalidArgument([_problem(name, text, "neither on nor off", "send 1 or 0")])


_OPTIONS: Final[tuple[tuple[str, Callable[[str], int | bool]], ...]] = (
    ("n", parse_count),
    ("explain", partial(parse_switch, "explain")),
    ("record", partial(parse_switch, "record")),
    ("deadline_ms", parse_deadline),
)
"""What a query may say besides, and how it is read."""


def _problem(field: str, value: str, reason: str, cure: str) -> Problem:
    return Problem(index=None, field=field, value=shorten(value), reason=reason, cure=cure)
