"""Faults on the way of an event: from whoever sends it into profiles and the lake."""
