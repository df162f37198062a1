"""Algorithms, one file each: fit(matrix, params) gives a Bundle."""
