"""Ranking: plain arrays in, a slate of rows out. What evaluation runs is what serves."""
