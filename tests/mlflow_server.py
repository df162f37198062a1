"""MLflow's own server over a registry on SQLite, in this process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest


class _Silent(WSGIRequestHandler):
    """Without a line on standard error for each request."""

    def log_message(self, *_: object) -> None:
        """As `BaseHTTPRequestHandler`'s."""


@contextmanager
def mlflow_server(database: str, port: int = 0) -> Iterator[str]:
    """The address of a server of this registry.

    Args:
        database: As MLflow writes it, like `sqlite:///PATH`.
        port: Of the loopback; any free one when 0.
    """
    from mlflow.server import app, handlers  # noqa: PLC0415 - slow
    from mlflow.store.model_registry.sqlalchemy_store import SqlAlchemyStore  # noqa: PLC0415

    with pytest.MonkeyPatch.context() as patch:
        # MLflow leaves this class without types.
        store = SqlAlchemyStore(database)  # type: ignore[no-untyped-call]
        patch.setattr(handlers, "_model_registry_store", store)
        # Runs are asked for by nobody, but their store is opened: without this where the tests run.
        patch.setenv("_MLFLOW_SERVER_FILE_STORE", database)
        server = make_server("127.0.0.1", port, app, handler_class=_Silent)
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
            server.server_close()
