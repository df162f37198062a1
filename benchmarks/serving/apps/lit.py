"""LitServe: one worker behind one server, with or without batches."""

from __future__ import annotations

import sys
from typing import Any

import litserve

from benchmarks.serving.apps.answering import TOGETHER, Answering


class Slates(litserve.LitAPI):  # type: ignore[misc]  # of the peers' environment
    """Answers customers' ids by slates."""

    def setup(self, device: str) -> None:  # noqa: ARG002 - LitServe's own
        """Open the bundle, in the worker."""
        self._answering = Answering()

    def decode_request(self, request: dict[str, str]) -> str:
        """The customer."""
        return request["customer"]

    def predict(self, x: Any) -> Any:  # noqa: ANN401 - one, or a list where it batches
        """The slate of each."""
        return self._answering.answer(x) if isinstance(x, list) else self._answering.answer([x])[0]

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        """As it is."""
        return output


if __name__ == "__main__":
    port, way = sys.argv[1:]
    api = Slates(max_batch_size=TOGETHER, batch_timeout=0.002) if way == "many" else Slates()
    server = litserve.LitServer(api, accelerator="cpu", workers_per_device=1, fast_queue=True)
    server.run(host="127.0.0.1", port=int(port), num_api_servers=1, generate_client_file=False)
