"""How MLflow answers `load_model("models:/churn@champion").predict(…)`: for notebooks.

MLflow keeps this file beside the model's arrays and runs it when a data scientist loads it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from training.churn.files import load_model


class Churn(PythonModel):
    """Says how likely customers are to buy nothing within the model's horizon."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's own
        """Open the model."""
        self._model = load_model(Path(context.artifacts["bundle"]))

    def predict(
        self,
        context: Any,  # noqa: ANN401, ARG002 - MLflow's own
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002 - MLflow's own
    ) -> pd.DataFrame:
        """The chance and the band of each customer.

        Args:
            context: Not read.
            model_input: A column for each of the manifest's features.
            params: Not read.

        Returns:
            Columns `probability` and `band`.
        """
        features = {
            name: model_input[name].to_numpy(dtype=float) for name in self._model.manifest.features
        }
        chance = self._model.probability(features)
        return pd.DataFrame({"probability": chance, "band": self._model.band(chance)})


set_model(Churn())
