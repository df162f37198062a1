"""`homing follow NAME`: what other systems tell as it happens, kept here once.

A stream brings messages (`stream.py`), and what is the same for all of them happens in one place:
`taking.py` reads events from them and counts them as seen only once they are durable.
"""
