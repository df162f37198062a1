"""`homing demo`: the whole loop on real data, told on the terminal.

History in, models trained, judged and registered, slates published, the scorer asked as a template
asks it, and a purchase that changes the next answer.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import httpx
import msgspec
from rich.console import Console
from rich.table import Table

from features.clock import SystemClock
from features.event import Event, EventType
from features.settings import load_settings
from features.stores.opening import open_stores
from homing.child import free_port, running_scorer
from homing.households import import_households
from homing.importing import import_lines
from homing.output import wide_console
from homing.progress import Stages
from homing.show import at_longest, figures_table, retrain_lines
from serving.keys import KeyFile, Scope
from serving.slate import Rung
from training import bootstrap
from training.settings import TrainingSettings

BLOCK = "hero"
PATIENCE = 10.0
"""Seconds for a slate to be as expected; mostly a fraction of one is enough."""


def run_demo(*, once: bool, port: int) -> None:
    """Run the loop; stay up until Ctrl-C unless asked to end.

    Args:
        once: End after the last answer.
        port: Of the scorer, on this machine's own address; any free one when it is taken.

    Raises:
        HomingError: A part of the loop failed.
    """
    console = wide_console()
    began = time.perf_counter()
    settings = demo_settings()
    stages = Stages(wide_console(stderr=True))
    for report in import_households(settings, stages.stage, SystemClock()):
        for line in import_lines(report):
            console.print(line, markup=False, soft_wrap=True)
    _train(settings, stages, console)
    environment = {"HOMING_HOME": str(settings.home), "HOMING_PAGE": "true"}
    if settings.secret_file is not None:
        environment["HOMING_SECRET_FILE"] = str(settings.secret_file)
    log = settings.home / "serve.log"
    with running_scorer(free_port(port), environment, log) as address:
        with _client(address, settings) as client:
            _ask_and_buy(client, settings, console)
        console.print(f"\nThe loop took {time.perf_counter() - began:.0f} s. Log: {log}")
        if not once:
            console.print(f"A mail for any household: {address}/   (Ctrl-C ends)")
            _stay()
    names = " ".join(f"{name}={value}" for name, value in environment.items())
    console.print(f"To go on by hand: {names} homing serve", markup=False, soft_wrap=True)


def demo_settings() -> TrainingSettings:
    """Settings as the environment has them, with a secret made in `HOMING_HOME` if there is none.

    Raises:
        SettingsError: A setting can't be used.
    """
    settings = load_settings(TrainingSettings)
    if settings.secret is not None or settings.secret_file is not None:
        return settings
    kept = settings.home / "secret"
    if not kept.exists():
        settings.home.mkdir(parents=True, exist_ok=True)
        kept.touch(mode=0o600)
        kept.write_text(secrets.token_hex(32))
    return load_settings(TrainingSettings, secret_file=kept)


def _train(settings: TrainingSettings, stages: Stages, console: Console) -> None:
    report = bootstrap.retrain(settings, stages.stage)
    trained = report.trained
    figures = at_longest(trained.recommender.figures)
    console.print(figures_table("Recommenders on 8 held-out weeks", figures))
    if trained.churn is not None:
        console.print(figures_table("Churn on a later time", trained.churn.figures))
    for line in retrain_lines(report):
        console.print(line, markup=False, soft_wrap=True)


def _regular_customer(settings: TrainingSettings) -> tuple[str, dict[str, str]]:
    """The customer of the first hundred who did most, and the titles of what they bought."""
    with closing(open_stores(settings.resolved_store_url())) as stores:
        known = stores.profiles.get_many(stores.profiles.customers(limit=100))
        most = max(known.values(), key=lambda profile: len(profile.history.bought))
        bought = stores.catalogue.get_many(list(most.history.bought))
        return most.customer, {name: item.title for name, item in bought.items()}


@contextmanager
def _client(address: str, settings: TrainingSettings) -> Iterator[httpx.Client]:
    """A client with a key of its own, which ends with it."""
    keys = KeyFile(settings.resolved_keys_file(), SystemClock())
    created = keys.create("demo", [Scope.RECOMMEND, Scope.EVENTS])
    bearer = {"Authorization": f"Bearer {created.token}"}
    try:
        with httpx.Client(base_url=address, headers=bearer, timeout=5.0) as client:
            yield client
    finally:
        keys.revoke(created.key.id)


def _ask_and_buy(client: httpx.Client, settings: TrainingSettings, console: Console) -> None:
    customer, titles = _regular_customer(settings)
    # A machine that has just trained may be too slow for a first answer by the model.
    before = _ask(client, customer, lambda slate: slate["served_by"] == Rung.MODEL)
    console.print(_slate_table("What the template gets", before, titles))
    first = before["items"][0]
    event = Event(
        id=f"demo-{secrets.token_hex(8)}",
        type=EventType.PURCHASE,
        customer=customer,
        occurred_at=SystemClock().now(),
        item=first["id"],
        value=first["price"],
        currency=first["currency"],
        source="demo",
    )
    client.post(
        "/v1/events",
        content=msgspec.json.encode(event),
        headers={"Content-Type": "application/json"},
    ).raise_for_status()
    console.print(f"\nBought: {first['title']}", markup=False)
    began = time.perf_counter()
    after = _ask(client, customer, lambda slate: _ids(slate) != _ids(before))
    spent = (time.perf_counter() - began) * 1_000
    console.print(_slate_table(f"What the next template gets, {spent:.0f} ms later", after, titles))


def _ask(
    client: httpx.Client, customer: str, expected: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """A slate, asked as a template does, each time for a send of its own, until it is as expected.

    What comes after `PATIENCE` is shown whatever it is.
    """
    until = time.perf_counter() + PATIENCE
    while True:
        query = {"customer": customer, "block": BLOCK, "send": f"demo-{secrets.token_hex(4)}"}
        slate: dict[str, Any] = client.get("/v1/recommendations", params=query).json()
        if expected(slate) or time.perf_counter() > until:
            return slate
        time.sleep(0.02)


def _ids(slate: dict[str, Any]) -> list[str]:
    return [item["id"] for item in slate["items"]]


def _slate_table(title: str, slate: dict[str, Any], titles: dict[str, str]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in ("", "item", "price", "because"):
        table.add_column(name)
    for item in slate["items"]:
        price = "" if item["price"] is None else f"{item['price']:.2f} {item['currency'] or ''}"
        because = item["because"]
        reason = ""
        if because:
            reason = f"{because['kind']} {titles.get(because['item'], because['item'])}"
        table.add_row(str(item["position"]), item["title"], price, reason)
    table.caption = f"rung {slate['served_by']}, model {slate['model']}, slate {slate['slate']}"
    return table


def _stay() -> None:
    try:
        threading.Event().wait()
    except KeyboardInterrupt:
        return
