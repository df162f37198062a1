"""Finds better recipes within a budget: an Optuna study for each algorithm, on validation time."""
