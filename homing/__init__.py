"""The command line: wires features, serving and training."""
