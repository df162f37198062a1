"""Randomised campaigns: who should get which mail, and whether choosing pays."""
