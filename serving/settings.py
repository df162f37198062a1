"""Settings of the process that answers; `HOMING_…` like all others."""

from __future__ import annotations

from pydantic import Field

from features.settings import Settings


class ServeSettings(Settings):
    """Where the scorer listens, how long it may take and how fast it follows changes.

    Attributes:
        host: Address to listen on.
        port: Port to listen on.
        workers: Processes that answer; they share the memory of catalogue and model.
        threads: Threads a process reads its stores with; requests beyond wait for one.
        max_concurrent: Template fetches a process answers at once; one more is told to come back.
        deadline_ms: A template fetch is answered by then, from the rung at hand.
        reload_seconds: How often the `champion` alias is looked at.
        refresh_seconds: How often the catalogue's version is looked at.
        start_seconds: How long a start without local copies waits for the first look at each.
        drain_seconds: How long a process answers on after SIGTERM, and says that it is not ready.
        pin_seconds: How long the same send gets the same slate.
        page: Whether the demonstration page is mounted at `/`.
        open_metrics: Whether `/metrics` answers without a key (else scope `admin`).
        require_keys: Whether `/v1` asks for an API key; off only where nobody else can connect.
        ingest: Whether `serve` also runs the ingest loop when the event log is embedded.
    """

    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=0, le=65_535)
    workers: int = Field(default=1, ge=1, le=64)
    threads: int = Field(default=16, ge=1, le=256)
    max_concurrent: int = Field(default=2_000, ge=1, le=100_000)
    deadline_ms: int = Field(default=1_000, ge=10, le=60_000)
    reload_seconds: float = Field(default=5.0, gt=0, le=3_600)
    refresh_seconds: float = Field(default=0.5, gt=0, le=60)
    start_seconds: float = Field(default=10.0, ge=0, le=600)
    drain_seconds: float = Field(default=5.0, ge=0, le=600)
    pin_seconds: int = Field(default=30 * 24 * 3_600, ge=1)
    page: bool = False
    open_metrics: bool = True
    require_keys: bool = True
    ingest: bool = True
