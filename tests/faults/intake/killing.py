"""Intake, ingest loops and broker are killed while events come in, and nothing may be lost.

`python -m tests.faults.soak --only kills` does so 300 times on each event log.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final

from features.clock import SystemClock
from serving.keys import KeyFile
from tests.faults.intake.outcome import Wrong, settled
from tests.faults.intake.senders import sending
from tests.faults.intake.telling import ENVIRON, Telling
from tests.faults.intake.victims import BROKERS, Broker, Command, Victim, started
from tests.faults.processes import eventually
from tests.faults.proxy import HOST
from tests.faults.world import SECRET
from tests.services import free_port

LOOPS: Final = 2
"""Ingest loops that share the work; on SQLite too, where one is killed with the intake that it
belongs to and goes on for a moment beside its successor."""
BROKER_LIVES: Final = 2.0
"""How much longer a broker lives than others: it takes longer to start."""
FIRST_SECONDS: Final[Mapping[str, float]] = {"RabbitMQ": 5.0}
"""Seconds before the first death. A RabbitMQ 3.10 that is killed within about two seconds of making
quorum queues may never have them available again; see docs/reliability.md."""
YOUNG: Final = 0.2
"""The part of all deaths that come while one starts."""


@dataclass(frozen=True)
class Pace:
    """How hard it is.

    Attributes:
        kills: How many deaths.
        life: Seconds that a process lives at most, once it takes work; a broker `BROKER_LIVES`
            times as long.
        rate: Requests in a second of each sender, at most.
        seed: Of who dies when.
    """

    kills: int
    life: float
    rate: float
    seed: int = 7


@dataclass(frozen=True)
class Killed:
    """What came of it.

    Attributes:
        log: On which event log.
        kills: Who was killed how often.
        events: Events that were acknowledged.
        asked: Status of each answer → how often; 0 where there was none.
        seconds: How long events came in, and died whoever carried them.
        drained: Seconds from the last death until all was where it belongs.
        wrong: What was not.
    """

    log: str
    kills: Counter[str]
    events: int
    asked: Counter[int]
    seconds: float
    drained: float
    wrong: Wrong


@dataclass
class Killer:
    """Kills until it has killed often enough: each victim in its own time, and at least once.

    Args:
        victims: All of them run.
        pace: How many deaths there shall be, and when.
    """

    victims: Sequence[Victim]
    pace: Pace
    deaths: Counter[str] = field(default_factory=Counter)
    _spared: set[str] = field(init=False)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _faults: list[BaseException] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._spared = {victim.name for victim in self.victims}

    def run(self) -> None:
        """Kill; all victims take work again on return."""
        threads = [
            threading.Thread(target=self._haunt, args=[victim, Random(f"{self.pace.seed} {place}")])  # noqa: S311 - picks moments
            for place, victim in enumerate(self.victims)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._faults:
            raise self._faults[0]

    def _haunt(self, victim: Victim, random: Random) -> None:
        life = self.pace.life * (BROKER_LIVES if victim.name == "broker" else 1.0)
        try:
            while True:
                if random.random() > YOUNG:
                    eventually(victim.ready)
                time.sleep(random.uniform(0, life))
                if not self._one_more(victim):
                    break
                victim.kill()
                victim.start()
            eventually(victim.ready)
        except BaseException as fault:  # noqa: BLE001 - raised where all are waited for
            self._faults.append(fault)

    def _one_more(self, victim: Victim) -> bool:
        with self._lock:
            # Some are left for those who have not died yet.
            others = len(self._spared - {victim.name})
            more = self.deaths.total() + others < self.pace.kills and not self._faults
            self.deaths[victim.name] += more
            self._spared.discard(victim.name)
            return more


def run_kills(log: str, home: Path, pace: Pace) -> Killed:
    """Kill under load on this event log.

    Args:
        log: A key of `BROKERS`.
        home: An empty folder.
        pace: How often.
    """
    with running(log, home) as (url, port, victims):
        token = KeyFile(home / "keys.json", SystemClock()).create("shop", ["events"]).token
        told = Telling(token, SystemClock())
        kinds = (
            (told.by_api, 20),
            (told.by_standard_webhooks, 10),
            (told.by_sendgrid, 10),
            (told.by_mailgun, 1),
        )
        killer, began = Killer(victims, pace), time.monotonic()
        with sending(kinds, pace.rate, port) as senders:
            time.sleep(FIRST_SECONDS.get(log, 0))
            killer.run()
        seconds = time.monotonic() - began
        sent = [event for sender in senders for event in sender.events]
        wrong, drained = settled(home, url, sent)
        asked = sum((sender.asked for sender in senders), Counter[int]())
    return Killed(log, killer.deaths, len(sent), asked, seconds, drained, wrong)


@contextmanager
def running(log: str, home: Path) -> Iterator[tuple[str, int, Sequence[Victim]]]:
    """Intake, loops and broker, until the block ends.

    Yields:
        The log's URL, the intake's port, and all that can be killed.
    """
    server, victims = BROKERS[log], list[Victim]()
    url = f"sqlite:///{home / 'events.db'}"
    try:
        if server is not None:
            folder = home / "broker"
            folder.mkdir()
            broker = Broker(server, folder)
            victims.append(broker)
            broker.start()
            url = broker.url
        port = free_port()
        crew = [_intake(home, url, port), *(_ingest(home, url) for _ in range(LOOPS))]
        victims += crew
        started(crew)
        yield url, port, victims
    finally:
        for victim in reversed(victims):
            victim.kill()


def _intake(home: Path, url: str, port: int) -> Command:
    arguments = ["serve", "--host", HOST, "--port", str(port)]
    return Command("intake", arguments, _environment(home, url), port, home / "intake.log")


def _ingest(home: Path, url: str) -> Command:
    port = free_port()
    environment = {**_environment(home, url), "HOMING_INGEST_PORT": str(port)}
    return Command("ingest", ["ingest"], environment, port, home / "ingest.log")


def _environment(home: Path, url: str) -> dict[str, str]:
    return {
        **ENVIRON,
        "HOMING_HOME": str(home),
        "HOMING_SECRET": SECRET,
        "HOMING_LOG_URL": url,
        "HOMING_INGEST": "false",  # the loops are killed by themselves
        "HOMING_START_SECONDS": "0",
        # Nobody fetches here, and nobody needs a model.
        "HOMING_TRACKING_URL": f"http://{HOST}:9",
        "HOMING_RELOAD_SECONDS": "60",
    }
