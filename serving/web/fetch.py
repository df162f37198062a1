"""The template fetch: a plain Starlette route, because mails are opened in waves.

Its arguments are checked by hand, its answer is encoded by msgspec, and past the checks nothing
can make it anything but a 200.
"""

from __future__ import annotations

from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from features.errors import InputError, InvalidArgument, Problem, shorten
from features.identity import CustomerKeys
from serving.keys import Scope
from serving.ranking.blocks import MAX_SIZE
from serving.service import Service
from serving.slate import Ask
from serving.web.body import answer
from serving.web.gate import Gate
from serving.web.middleware import NOTES, Named

PATH = "/v1/recommendations"
_DIGITS = 4


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

    def route(self) -> Named:
        """What to mount."""
        return Named(PATH, self.get, methods=["GET"], name="recommendations")

    async def get(self, request: Request) -> Response:
        """One slate."""
        self._gate.admit(request, Scope.RECOMMEND)
        slate = await self._service.recommend(parse_ask(request.query_params, self._customers))
        request.scope[NOTES] |= {"customer": slate.customer, "rung": slate.served_by}
        return answer(slate)


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
    n = None
    try:
        n = parse_count(query.get("n"))
    except InputError as error:
        problems += error.problems
    explain = False
    try:
        explain = parse_switch("explain", query.get("explain"))
    except InputError as error:
        problems += error.problems
    if problems:
        raise InvalidArgument(problems)
    # An empty `send=` is what a template writes that has none.
    send = query.get("send") or None
    return Ask(customer=customer, block=block, send=send, n=n, explain=explain)


def parse_count(text: str | None) -> int | None:
    """How many items a query asks for; None when it does not say.

    Raises:
        InvalidArgument: It is not a number from 1 to `MAX_SIZE`.
    """
    if text is None:
        return None
    if text.isascii() and text.isdigit() and len(text) <= _DIGITS and 1 <= int(text) <= MAX_SIZE:
        return int(text)
    raise InvalidArgument([_problem("n", text, "not a usable count", f"send 1 to {MAX_SIZE}")])


def parse_switch(name: str, text: str | None) -> bool:
    """Whether a query switches something on; not when it does not say.

    Raises:
        InvalidArgument: It is neither `1` nor `0`.
    """
    if text in {None, "0", "1"}:
        return text == "1"
    raise InvalidArgument([_problem(name, text or "", "neither on nor off", "send 1 or 0")])


def _problem(field: str, value: str, reason: str, cure: str) -> Problem:
    return Problem(index=None, field=field, value=shorten(value), reason=reason, cure=cure)
