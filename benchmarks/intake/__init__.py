"""Measures how events come in: over HTTP, through the log, and from files."""
