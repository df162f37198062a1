"""Answers: models that are loaded, ranking, the ladder, the service. Never imports training."""
