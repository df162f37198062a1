"""The web application: routes, errors and what is around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.exceptions import HTTPException

from features.errors import HomingError
from features.identity import CustomerKeys
from serving.intake import Intake
from serving.parts import Parts
from serving.service import Service
from serving.web.api import Api
from serving.web.fetch import Fetch
from serving.web.gate import Gate
from serving.web.health import Health
from serving.web.letters import LettersPage
from serving.web.middleware import Around
from serving.web.openapi import describe
from serving.web.overrides import OverridesApi
from serving.web.page import Page
from serving.web.problems import on_homing_error, on_http_error, on_unforeseen
from serving.web.pushed import Pushed
from serving.web.tracking import Tracking
from serving.web.webhooks import Webhooks


def create_app(parts: Parts, service: Service, customers: CustomerKeys) -> Around:
    """The application; its lifespan starts and stops the service.

    Args:
        parts: What the service is made of.
        service: Answers.
        customers: Turns outside ids into keys.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await asyncio.to_thread(service.start)
        try:
            yield
        finally:
            intake.close()
            await asyncio.to_thread(service.stop)

    settings, intake = parts.settings, Intake(parts, customers)
    # The interactive pages load scripts from elsewhere; the schema itself is at /openapi.json.
    # A path with a slash too many is not found: a redirect would follow the caller's Host header,
    # repeat the query with its customer, and no signature would fit any more.
    app = FastAPI(
        title="Homing", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    gate = Gate(parts.keys, parts.clock, required=settings.require_keys)
    app.include_router(Api(service, gate, customers, parts.clock).router())
    app.include_router(OverridesApi(service, gate, parts.clock).router())
    health = Health(service, parts.metrics, gate, open_metrics=settings.open_metrics)
    app.router.routes.extend(health.routes())
    pushed = [*Webhooks(intake, parts).routes(), *Tracking(intake, gate).routes()]
    app.router.routes.extend(pushed)
    app.router.routes.extend(LettersPage(intake.letters(), gate).routes())
    if settings.page:
        page = Page(service, parts.stores, customers, parts.clock)
        app.router.routes.extend(page.routes())
    app.add_exception_handler(HomingError, on_homing_error)
    app.add_exception_handler(HTTPException, on_http_error)
    app.add_exception_handler(Exception, on_unforeseen)
    blocks = tuple(parts.current.snapshot.blocks)
    app.openapi = lambda: describe(blocks)  # type: ignore[method-assign]  # FastAPI's documented hook
    return Around(Pushed(app, pushed), Fetch(service, gate, customers), parts.metrics)
