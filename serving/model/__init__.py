"""Trained models as data: bundles, scorers and where their versions come from."""
