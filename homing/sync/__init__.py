"""`homing sync NAME`: what other systems keep, fetched by dlt, and kept here once.

Only this folder knows dlt.
"""
