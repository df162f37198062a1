"""The scorer against others that serve models, all with the same bundle and the same answer.

MLflow's `models serve` runs a pyfunc from code; BentoML and LitServe live in an environment of
their own, which is made once a machine. Each has one worker on the core that ours has, and scores
by the same chain. Those that can gather requests into batches are asked both ways.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Final

import msgspec

from benchmarks.figures import Figure, at_least, plain
from benchmarks.serving.fetches import live_contestant, one_answer, plain_peak, stored_contestant
from benchmarks.serving.servers import scorer, serving
from benchmarks.serving.shop import Shop
from benchmarks.serving.stages import HOME
from benchmarks.serving.trials import Contestant, Peak, WrongAnswerError, peaks
from benchmarks.stages import run_stage

STORED_RATIO: Final = 25.0
LIVE_RATIO: Final = 3.0
OTHERS_RATIO: Final = 1.5
MLFLOW: Final = "mlflow models serve"
OTHERS: Final = ("BentoML", "LitServe")
APPS: Final = Path(__file__).parent / "apps"
REQUIREMENTS: Final = APPS / "requirements.txt"
SHARED: Final = [
    "cryptography",
    "fastapi",
    "httpx",
    "jinja2",
    "msgspec",
    "numpy",
    "prometheus-client",
    "pydantic-settings",
    "scipy",
    "stamina",
    "structlog",
    "threadpoolctl",
    "uvloop",
]
"""What scores, installed beside the peers in the versions that score here."""
_CALL: Final = {"Content-Type": "application/json"}
_AGREE: Final = 20
"""Customers whose slates are compared before anything is measured."""


class Way(msgspec.Struct, frozen=True):
    """A way of asking a peer.

    Attributes:
        name: Begins with the peer's.
        command: What runs it; `PORT` stands for the port.
        ready: Path that answers 200 once it is up.
        path: Where slates are asked for.
        wanted: What is sent for a customer; `NAME` stands for the customer.
    """

    name: str
    command: tuple[str, ...]
    ready: str
    path: str
    wanted: str


def measure_peers(shop: Shop, folder: Path) -> list[Figure]:
    """Ours and theirs, in turns; the bars are held against each peer's fastest way."""
    with ExitStack() as stack:
        ours = stack.enter_context(scorer(shop))
        live = live_contestant(ours, shop)
        asked = {"stored": stored_contestant(ours, shop), "live": live}
        for way in [mlflow_way(shop, folder), *other_ways()]:
            asked[way.name] = stack.enter_context(contestant(way, shop, folder))
            agree(live, asked[way.name], way.name)
        found = peaks(asked)
    figures = [figure for name in found for figure in plain_peak(name, found)]
    return [*ratios(found), *figures]


def ratios(found: dict[str, Peak]) -> list[Figure]:
    """The bars, and a line for a peer that could not be asked."""
    stored, live = found["stored"].rate, found["live"].rate
    rate = found[MLFLOW].rate
    figures = [
        at_least(f"stored / {MLFLOW}, which scores", stored / rate, "ratio", STORED_RATIO),
        at_least(f"live / {MLFLOW}", live / rate, "ratio", LIVE_RATIO),
    ]
    for other in OTHERS:
        rates = [peak.rate for name, peak in found.items() if name.startswith(other)]
        if rates:
            figures.append(at_least(f"live / {other}", live / max(rates), "ratio", OTHERS_RATIO))
        else:
            figures.append(plain(f"live / {other}: not installed, see standard error", 0, "ratio"))
    return figures


@contextmanager
def contestant(way: Way, shop: Shop, folder: Path) -> Iterator[Contestant]:
    """A peer that runs, and everybody who changed asking it."""
    log = folder / f"{way.name.replace(' ', '-')}.log"
    # Its own programs first: MLflow calls its server by name.
    path = f"{Path(way.command[0]).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {HOME: str(shop.home), "PATH": path}
    with serving(way.command, way.ready, log, environment) as server:
        yield Contestant(
            server,
            [
                server.target.request(way.path, _CALL, method="POST", body=body)
                for body in (way.wanted.replace("NAME", name).encode() for name in shop.changed)
            ],
            lambda _, body: b'"model"' in body,
        )


def agree(ours: Contestant, theirs: Contestant, name: str) -> None:
    """See that a peer shows the customers the very items that we show.

    Raises:
        WrongAnswerError: It does not.
    """
    for place in range(_AGREE):
        shown = [items_of(one_answer(asked, place)) for asked in (ours, theirs)]
        if shown[0] != shown[1] or not shown[0]:
            message = f"{name} shows {shown[1]} where the scorer shows {shown[0]}"
            raise WrongAnswerError(message)


def mlflow_way(shop: Shop, folder: Path) -> Way:
    """MLflow with a pyfunc from code; made by a process of its own, which imports half of it."""
    model = folder / "pyfunc"
    if not model.exists():
        run_stage("serving.stages", "pyfunc", str(APPS / "pyfunc.py"), str(model), str(shop.home))
    program = str(Path(sys.executable).with_name("mlflow"))
    flags = ["--env-manager", "local", "--host", "127.0.0.1", "--port", "PORT", "--workers", "1"]
    command = (program, "models", "serve", "--model-uri", str(model), *flags)
    return Way(MLFLOW, command, "/ping", "/invocations", '{"inputs": ["NAME"]}')


def other_ways() -> list[Way]:
    """BentoML and LitServe, one by one and in batches; none where they can't be installed."""
    python = peers_python()
    if python is None:
        return []
    bento = (
        str(python.with_name("bentoml")),
        *["serve", "benchmarks.serving.apps.bento:Slates", "--host", "127.0.0.1", "--port", "PORT"],
    )
    lit = (str(python), "-m", "benchmarks.serving.apps.lit", "PORT")
    one, many = '{"customer": "NAME"}', '{"customer": ["NAME"]}'
    return [
        Way("BentoML, one by one", bento, "/readyz", "/one", one),
        Way("BentoML, batches", bento, "/readyz", "/many", many),
        Way("LitServe, one by one", (*lit, "one"), "/health", "/predict", one),
        Way("LitServe, batches", (*lit, "many"), "/health", "/predict", one),
    ]


def peers_python() -> Path | None:
    """Python of the peers' environment, made when it is not there; None when it can't be."""
    wanted = [*REQUIREMENTS.read_text().split("\n"), *(f"{n}=={version(n)}" for n in SHARED)]
    name = hashlib.blake2b("\n".join(wanted).encode(), digest_size=8).hexdigest()
    home = _cache() / f"peers-{name}"
    python = home / "bin" / "python"
    done = home / "complete"
    if done.exists():
        return python
    install = [str(python), "-m", "pip", "install", "--quiet", "-r", str(REQUIREMENTS)]
    try:
        _call([sys.executable, "-m", "venv", "--clear", str(home)])
        _call([*install, *wanted[-len(SHARED) :]])
    except (OSError, subprocess.CalledProcessError) as error:
        sys.stderr.write(f"BentoML and LitServe can't be installed, and are left out: {error}\n")
        return None
    done.touch()
    return python


def _cache() -> Path:
    chosen = os.environ.get("XDG_CACHE_HOME")
    return (Path(chosen) if chosen else Path.home() / ".cache") / "homing-benchmarks"


def _call(command: Sequence[str]) -> None:
    # Whatever it says goes to standard error: standard output is for what was measured.
    subprocess.run(command, check=True, stdout=sys.stderr)  # noqa: S603 - our own command


def items_of(body: bytes) -> list[str]:
    """Item ids of a slate, whatever it is wrapped in."""
    found = msgspec.json.decode(body)
    while isinstance(found, list) or "items" not in found:
        found = found[0] if isinstance(found, list) else found["predictions"]
    return [item["id"] for item in found["items"]]
