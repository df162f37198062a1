"""The same bytes for everybody, from a bare Starlette route and from a FastAPI response model."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

BODY = "BENCHMARK_BODY"
"""The variable that names the file of the bytes."""
PATH = "/v1/recommendations"


class Because(BaseModel):
    """Why an item."""

    kind: str
    item: str


class Item(BaseModel):
    """One item of a slate."""

    position: int
    id: str
    title: str
    url: str
    image_url: str
    price: float | None
    currency: str | None
    because: Because | None
    brand: str | None
    categories: list[str]
    attributes: dict[str, str]


class Slate(BaseModel):
    """A slate as the interface has it."""

    slate: str
    customer: str
    block: str
    send: str | None
    served_by: str
    reason: str | None
    model: str | None
    count: int
    items: list[Item]


def bare() -> Starlette:
    """A plain route."""
    body = Path(os.environ[BODY]).read_bytes()

    async def get(request: Request) -> Response:  # noqa: ARG001 - the form of a route
        return Response(body, media_type="application/json")

    return Starlette(routes=[Route(PATH, get)])


def modelled() -> FastAPI:
    """A route with a response model."""
    slate = msgspec.json.decode(Path(os.environ[BODY]).read_bytes())
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)

    @app.get(PATH, response_model=Slate)
    async def get() -> object:
        return slate

    return app
