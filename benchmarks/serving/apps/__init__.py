"""Peers of the scorer, each as its own documentation would have it."""
