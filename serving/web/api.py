"""The rest of `/v1`: each route checks the key, translates, calls the service, translates back."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from features.batch import parse_many
from features.clock import Clock
from features.cloudevents import CLOUDEVENT, CLOUDEVENT_BATCH, parse_cloudevents
from features.errors import InputError, InvalidArgument, Problem
from features.event import Event, decode_json
from features.identity import CustomerKeys
from features.item import parse_items
from serving.attempt import Answer
from serving.keys import Scope
from serving.service import Service, check_customers
from serving.slate import Ask, Slate
from serving.web.body import answer, convert, read_body
from serving.web.fetch import PATH, parse_count
from serving.web.gate import Gate
from serving.web.middleware import NOTES

MAX_PROBLEMS = 20
SIMILAR = 10
"""Similar items without `n`."""


class BatchAsk(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question for many customers.

    Attributes:
        customers: Outside ids or customer keys, 1 to 1,000.
        block: The block's name.
        send: The mail's id; None when the answers need not be repeatable.
        n: Items in each slate; None for the block's own size.
        explain: Whether the answers say how rules moved their items.
    """

    customers: list[str]
    block: str
    send: str | None = None
    n: int | None = None
    explain: bool = False


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """The slates of a batch, in the order of its customers; the form of what is put together."""

    count: int
    slates: list[Slate]


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """How many elements were kept."""

    accepted: int


class Api:
    """The routes of `/v1` besides the template fetch.

    Args:
        service: Answers.
        gate: Lets in.
        customers: Turns outside ids into keys.
        clock: Tells which events claim to come from the future.
    """

    def __init__(self, service: Service, gate: Gate, customers: CustomerKeys, clock: Clock) -> None:
        self._service = service
        self._gate = gate
        self._customers = customers
        self._clock = clock

    def router(self) -> APIRouter:
        """What to mount. Ids may hold slashes, so their parts of a path match any."""
        router = APIRouter()
        # The schema is in serving/web/openapi.py, beside that of the template fetch.
        for path, methods, handler in (
            # The other two go to the template fetch before they come here: for `Allow` alone.
            (PATH, ["POST", "GET", "HEAD"], self.recommend),
            ("/v1/items/{item:path}/similar", ["GET", "HEAD"], self.similar),
            ("/v1/customers/{customer:path}/scores", ["GET", "HEAD"], self.scores),
            ("/v1/events", ["POST"], self.events),
            ("/v1/items", ["PUT"], self.items),
        ):
            router.add_api_route(path, handler, methods=methods, include_in_schema=False)
        return router

    async def recommend(self, request: Request) -> Response:
        """Slates for many customers."""
        self._gate.admit(request.scope, Scope.RECOMMEND)
        batch = convert(await read_body(request), BatchAsk)
        check_customers(len(batch.customers))
        block, send, n = batch.block, batch.send or None, batch.n
        asks = [
            Ask(customer=key, block=block, send=send, n=n, explain=batch.explain)
            for key in self._resolved(batch.customers)
        ]
        answers = await self._service.answer_many(asks)
        request.scope[NOTES]["customers"] = len(answers)
        # Putting a thousand together must hold up no template.
        body = await run_in_threadpool(_together, answers)
        return Response(body, media_type="application/json")

    async def similar(self, request: Request) -> Response:
        """Items like an item."""
        self._gate.admit(request.scope, Scope.RECOMMEND)
        text = request.query_params.get("n")
        count = SIMILAR if text is None else parse_count(text)
        return answer(await self._service.similar(request.path_params["item"], count))

    async def scores(self, request: Request) -> Response:
        """The scores of a customer."""
        self._gate.admit(request.scope, Scope.RECOMMEND)
        customer = self._customers.resolve(request.path_params["customer"])
        request.scope[NOTES]["customer"] = customer
        return answer(await self._service.scores(customer))

    async def events(self, request: Request) -> Response:
        """Events, acknowledged once they are durable."""
        self._gate.admit(request.scope, Scope.EVENTS)
        raw = decode_json(await read_body(request))
        accepted = await self._service.accept(self._parse(request, raw))
        request.scope[NOTES]["events"] = accepted
        return answer(Accepted(accepted=accepted), 202)

    async def items(self, request: Request) -> Response:
        """Items to add or replace."""
        self._gate.admit(request.scope, Scope.CATALOGUE)
        items = parse_items(decode_json(await read_body(request)))
        return answer(Accepted(accepted=await self._service.put_items(items)))

    def _parse(self, request: Request, raw: object) -> list[Event]:
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        parse = parse_cloudevents if kind in {CLOUDEVENT, CLOUDEVENT_BATCH} else parse_many
        return parse(raw, self._customers, self._clock.now())

    def _resolved(self, customers: list[str]) -> list[str]:
        """The keys of a batch; an id that can't be used is refused by its place."""
        keys: list[str] = []
        problems: list[Problem] = []
        for index, customer in enumerate(customers):
            try:
                keys.append(self._customers.resolve(customer))
            except InputError as error:
                problems += [msgspec.structs.replace(p, index=index) for p in error.problems]
        if problems:
            raise InvalidArgument(problems[:MAX_PROBLEMS])
        return keys


def _together(answers: Sequence[Answer]) -> bytes:
    """A `Batch`, encoded."""
    slates = b",".join(answer.body for answer in answers)
    return b'{"count":%d,"slates":[' % len(answers) + slates + b"]}"
