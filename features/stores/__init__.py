"""Where profiles, items, pins and events are kept: small ports, one file per backend."""
