"""The template fetch: stored, pinned and live slates, against the same bytes and the bare scoring.

What answers runs on one core, with key check, access log and metrics; the load on another.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from benchmarks.figures import TIMES, Figure, at_least, plain
from benchmarks.serving.apps.bare import BODY, PATH
from benchmarks.serving.servers import LOAD_CORE, SERVER_CORE, Server, pinned, scorer, serving
from benchmarks.serving.shop import BLOCK, MODEL, Shop
from benchmarks.serving.trials import (
    BUSY,
    SECONDS,
    SHARE,
    WARM_SECONDS,
    Contestant,
    Peak,
    closed,
    late_at,
    late_figures,
    median_peak,
    peaks,
)
from benchmarks.stages import run_stage
from homing.rehearsal.load import Sending, open_loop

BARE_RATIO: Final = 0.5
MODELLED_RATIO: Final = 1.4
FAST_MS: Final = 5.0
LIVE_RATIO: Final = 0.6
LIVE_MS: Final = 10.0
SEND: Final = "campaign-1"
BARE: Final = "bare Starlette"
MODELLED: Final = "FastAPI response model"
_SAMPLED: Final = 16
_SLATE: Final = re.compile(rb'"slate":"([^"]+)"')


def requests_of(
    server: Server, shop: Shop, customers: Sequence[str], send: str | None = None
) -> list[bytes]:
    """A template fetch for each of the customers."""
    headers = {"Authorization": f"Bearer {shop.token}"}
    told = "" if send is None else f"&send={send}"
    return [
        server.target.request(f"{PATH}?customer={name}&block={BLOCK}{told}", headers)
        for name in customers
    ]


def stored_contestant(server: Server, shop: Shop) -> Contestant:
    """Everybody who is settled, by lot: each must get the very slate that was stored."""
    order = np.random.default_rng(3).permutation(len(shop.settled)).tolist()
    requests = requests_of(server, shop, [shop.settled[place] for place in order])

    def judge(number: int, body: bytes) -> bool:
        shown = [item["id"] for item in msgspec.json.decode(body)["items"]]
        stored = list(shop.slates[order[number]][: len(shown)])
        return by_model(body) and bool(shown) and shown == stored

    return Contestant(server, requests, judge, _SAMPLED)


def live_contestant(server: Server, shop: Shop) -> Contestant:
    """Everybody who changed: the model answers, and says so."""
    requests = requests_of(server, shop, shop.changed)
    return Contestant(server, requests, lambda _, body: by_model(body))


def pinned_contestant(server: Server, shop: Shop) -> tuple[Contestant, float]:
    """Everybody who is settled, for a send that was asked before: the same slates again.

    Returns:
        The contestant, and how many first answers of the send there were a second.
    """
    requests = requests_of(server, shop, shop.settled, SEND)
    first: dict[int, bytes] = {}

    def note(number: int, status: int, body: bytes) -> None:  # noqa: ARG001 - the form of `heard`
        first[number] = _slate_of(body)

    with pinned(LOAD_CORE):
        sending = Sending(server.target, BUSY, heard=note)
        asked = open_loop(sending, requests, np.zeros(len(requests)))

    def judge(number: int, body: bytes) -> bool:
        return _slate_of(body) == first[number]

    return Contestant(server, requests, judge, _SAMPLED), asked.rate


@contextmanager
def same_bytes(body: bytes, folder: Path, factory: str) -> Iterator[Contestant]:
    """A server that gives everybody the same bytes, run as ours is."""
    file = folder / "body.json"
    file.write_bytes(body)
    app = f"benchmarks.serving.apps.bare:{factory}"
    flags = ["--no-access-log", "--no-server-header", "--loop", "uvloop", "--http", "httptools"]
    command = [sys.executable, "-m", "uvicorn", "--factory", app, "--port", "PORT", *flags]
    log = folder / f"{factory}.log"
    with serving(command, PATH, log, {BODY: str(file)}) as server:
        yield Contestant(server, [server.target.request(PATH)], lambda _, got: len(got) > 0)


def measure_stored(shop: Shop, folder: Path) -> list[Figure]:
    """Stored and pinned slates, without scoring."""
    with scorer(shop) as server:
        stored = stored_contestant(server, shop)
        with (
            same_bytes(one_answer(stored), folder, "bare") as bare,
            same_bytes(one_answer(stored), folder, "modelled") as modelled,
        ):
            again, first = pinned_contestant(server, shop)
            asked = {"stored": stored, "pinned": again}
            found = peaks({**asked, BARE: bare, MODELLED: modelled})
            figures = [plain("first answers of a send", first, "requests/s")]
            for name, contestant in asked.items():
                late = late_at(contestant, SHARE * found[name].rate)
                figures += [*_ratios(name, found), *late_figures(name, late, FAST_MS)]
            # What the machine itself makes of it: hardly anything is done for an answer here.
            figures += late_figures(BARE, late_at(bare, SHARE * found[BARE].rate))
    figures.append(plain("pinned by another process", elsewhere(shop, again), "requests/s"))
    return [*figures, *(figure for name in found for figure in plain_peak(name, found))]


def elsewhere(shop: Shop, again: Contestant) -> float:
    """How many slates a second a process answers that another pinned: each once, from the store."""
    with scorer(shop) as other:
        requests = requests_of(other, shop, shop.settled, SEND)
        asked = Contestant(other, requests, again.judge, _SAMPLED)
        with pinned(LOAD_CORE):
            sending = Sending(other.target, BUSY, heard=asked.heard)
            measured = open_loop(sending, requests, np.zeros(len(requests)))
        return asked.check(measured) * measured.rate


def measure_live(shop: Shop, folder: Path) -> list[Figure]:  # noqa: ARG001 - as all are called
    """Slates that are scored when they are asked for."""
    with scorer(shop) as server:
        live = live_contestant(server, shop)
        closed(live, WARM_SECONDS)
        turns, bare = [], []
        for _ in range(TIMES):
            turns.append(closed(live, SECONDS))
            bare.append(in_process(shop))
        peak, alone = median_peak(turns), median_peak(bare)
        late = late_at(live, SHARE * peak.rate)
        return [
            at_least("live / in process", peak.rate / alone.rate, "ratio", LIVE_RATIO),
            plain(
                "live / in process, by processor time", alone.processor / peak.processor, "ratio"
            ),
            *late_figures("live", late, LIVE_MS),
            *plain_peak("live", {"live": peak}),
            plain("in process, without HTTP", alone.rate, "slates/s"),
        ]


def in_process(shop: Shop) -> Peak:
    """The same scoring in a process without HTTP, one slate after the other."""
    with pinned(SERVER_CORE):
        stage, _ = run_stage("serving.stages", "rank", str(shop.home))
    return Peak(stage.extra["rate"], stage.extra["processor"], 1.0)


def one_answer(contestant: Contestant, place: int = 0) -> bytes:
    """What one request of a contestant is answered."""
    heard: list[bytes] = []
    sending = Sending(contestant.target, 1, heard=lambda _, __, body: heard.append(body))
    open_loop(sending, contestant.requests[place : place + 1], np.zeros(1))
    return heard[0]


def plain_peak(name: str, found: dict[str, Peak]) -> list[Figure]:
    """A peak's own figures."""
    peak = found[name]
    return [
        plain(f"{name}, peak", peak.rate, "requests/s"),
        plain(f"{name}, processor", peak.processor, "us/request"),
        plain(f"{name}, answered as meant", 100 * peak.right, "%"),
    ]


def by_model(body: bytes) -> bool:
    """Whether the model answered, alone."""
    return b'"served_by":"model","reason":null' in body and MODEL.encode() in body


def _ratios(name: str, found: dict[str, Peak]) -> list[Figure]:
    rate = found[name].rate
    figures = []
    for peer, bar in ((BARE, BARE_RATIO), (MODELLED, MODELLED_RATIO)):
        figures.append(at_least(f"{name} / {peer}", rate / found[peer].rate, "ratio", bar))
        # Unlike rates, it says the same on a machine that others use, too.
        ratio = found[peer].processor / found[name].processor
        figures.append(plain(f"{name} / {peer}, by processor time", ratio, "ratio"))
    return figures


def _slate_of(body: bytes) -> bytes:
    found = _SLATE.search(body)
    return found.group(1) if found else b""
