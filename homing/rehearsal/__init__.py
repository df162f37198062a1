"""Rehearsing a campaign: load on a running scorer, and what its recipients would see."""
