"""Features for models, one file each, computed as of a time T (Ibis expressions)."""
