"""The intake is killed under load: what was acknowledged is in the log, each delivery once."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx

from features.clock import SystemClock
from features.stores.codec import decode_event
from features.stores.opening import open_log
from tests.faults.processes import Process, scorer_process
from tests.integration.test_serve import fill
from tests.unit.serving.kit import SECRET

KEY = "mailgun key"
DEATHS = 2
SENDERS = 8
SECONDS = 0.5
MOST = 1_000


def gun(name: str) -> bytes:
    """A mail that was opened."""
    now = int(SystemClock().now().timestamp())
    mac = hmac.new(KEY.encode(), f"{now}{name}".encode(), hashlib.sha256).hexdigest()
    told = {"event": "opened", "id": name, "timestamp": now, "recipient": "ann@example.com"}
    signature = {"timestamp": str(now), "token": name, "signature": mac}
    return json.dumps({"signature": signature, "event-data": told}).encode()


def push(client: httpx.Client, name: str) -> str | None:
    """The name of what was acknowledged; None where nobody listens any more."""
    body = gun(name)
    try:
        answer = client.post("/v1/webhooks/mailgun", content=body)
    except httpx.TransportError:
        return None
    assert answer.status_code == 200, answer.text
    return name


def push_until_it_dies(scorer: Process, address: str, names: list[str]) -> set[str]:
    """What was acknowledged before the scorer was killed."""
    with httpx.Client(base_url=address, timeout=10) as client, ThreadPoolExecutor(SENDERS) as pool:
        sent = [pool.submit(push, client, name) for name in names]
        time.sleep(SECONDS)
        scorer.kill()
        return {name for one in sent if (name := one.result()) is not None}


def test_what_was_acknowledged_before_a_death_is_in_the_log(tmp_path: Path) -> None:
    fill(tmp_path, f"sqlite:///{tmp_path / 'profiles.db'}")
    given = {
        "HOMING_HOME": str(tmp_path),
        "HOMING_SECRET": SECRET,
        "HOMING_WEBHOOK_MAILGUN_SECRET": KEY,
        "HOMING_INGEST": "false",
    }
    scorer = scorer_process(tmp_path, given)
    names = [f"mail-{number}" for number in range(DEATHS * MOST)]
    acknowledged: set[str] = set()
    sent: Counter[str] = Counter()
    for _ in range(DEATHS):
        scorer.start()
        # What got no answer is sent again, as Mailgun does.
        waiting = [name for name in names if name not in acknowledged][:MOST]
        sent.update(waiting)
        acknowledged |= push_until_it_dies(scorer, f"http://127.0.0.1:{scorer.port}", waiting)
    assert len(acknowledged) > 20
    with closing(open_log(f"sqlite:///{tmp_path / 'events.db'}")) as log:
        entries = log.take("profiles", 100_000)
    kept = Counter(decode_event(entry.body).id.rpartition(":")[2] for entry in entries)
    assert acknowledged <= kept.keys()
    assert not [name for name, times in kept.items() if times > sent[name]]
    assert not [name for name in acknowledged if sent[name] == 1 and kept[name] != 1]
