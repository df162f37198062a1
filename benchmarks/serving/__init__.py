"""How fast the scorer answers: every bar of serving, with load from another process."""
