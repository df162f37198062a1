"""The gate: a challenger becomes champion only when nothing speaks against it.

Many small checks, each a pure function of plain facts: is the challenger surely better for the same
customers, is nobody worse off, can its bundle serve and is it made of what it says, is the history
whole and sound. All are run; one that fails refuses.
"""
