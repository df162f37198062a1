"""How MLflow answers `load_model("models:/recommender@champion").predict(…)`: for notebooks.

MLflow keeps this file beside the bundle and runs it when a data scientist loads the model. What
serves e-mails never does: it reads the bundle and nothing else.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import set_model
from mlflow.pyfunc.model import PythonModel

from features.event import EventType
from features.profile import History, Interaction
from serving.model.basket import baskets_of
from serving.model.bundle import load_bundle
from serving.model.scoring import open_scorer
from serving.model.shares import reasons
from serving.ranking.blocks import MAX_SIZE, Block
from serving.ranking.bundle_view import bundle_view
from serving.ranking.chain import Ask, slate_rows

SIZE = 10
"""Items that are recommended when a row does not say."""
REASONS = 3
"""Items of the history that are named for each recommended one."""


class Recommender(PythonModel):
    """Recommends items to whoever bought some, through the chain that serves."""

    def load_context(self, context: Any) -> None:  # noqa: ANN401 - MLflow's own
        """Open the bundle."""
        self._bundle = load_bundle(Path(context.artifacts["bundle"]))
        self._scorer = open_scorer(self._bundle)
        self._view = bundle_view(self._bundle, None)

    def predict(
        self,
        context: Any,  # noqa: ANN401, ARG002 - MLflow's own
        model_input: pd.DataFrame,
        params: dict[str, Any] | None = None,  # noqa: ARG002 - MLflow's own
    ) -> pd.DataFrame:
        """What to show to each.

        Args:
            context: Not read.
            model_input: Columns `history` (list of item ids, bought in that order) and, if
                wanted, `n` (how many items, 1 to 50).
            params: Not read.

        Returns:
            Columns `items` (list of item ids, best first, none of the history), `scores`, and
            `because`: for each item those of the history that speak most for it, with their
            shares of all that does.
        """
        histories = [list(history) for history in model_input["history"]]
        counts = model_input["n"] if "n" in model_input else [SIZE] * len(histories)
        rows = [self._recommend(*pair) for pair in zip(histories, counts, strict=True)]
        return pd.DataFrame(rows, columns=["items", "scores", "because"])

    def _recommend(
        self, items: list[str], count: float
    ) -> tuple[list[str], list[float], list[dict[str, float]]]:
        now = self._bundle.manifest.data.as_of
        at = int(now.timestamp())
        history = History(
            interactions=tuple(
                Interaction(at, number, str(item), EventType.PURCHASE)
                for number, item in enumerate(items)
            ),
            bought={str(item): at for item in items},
        )
        basket = baskets_of([history], self._bundle.index, now)
        tastes = self._scorer.tastes(basket)
        scores = tastes.scores()[0]
        size = min(max(int(count), 1), MAX_SIZE)
        ask = Ask(Block(name="notebook", size=size), history)
        rows = slate_rows(self._view, scores, ask, now)
        (shares,) = tastes.shares([rows])
        found = reasons(shares, basket, self._bundle.manifest.weighting, REASONS)
        names = self._bundle.items
        because = [{names[one.row]: one.share for one in of_item} for of_item in found]
        return [names[row] for row in rows], [float(scores[row]) for row in rows], because


set_model(Recommender())
