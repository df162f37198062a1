"""Makes bundles and judges them."""
