"""MLflow: a model from code, which `mlflow models serve` asks for slates."""

from __future__ import annotations

from typing import Any

from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from benchmarks.serving.apps.answering import Answering


class Slates(PythonModel):
    """Answers customers' ids by slates."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401, ARG002 - MLflow's own
        """Open the bundle."""
        self._answering = Answering()

    def predict(  # type: ignore[override]  # MLflow's own form for a model with type hints
        self, model_input: list[str]
    ) -> list[dict[str, Any]]:
        """The slate of each."""
        return self._answering.answer(model_input)


set_model(Slates())
