"""Who will not come back: labels, features, fit, calibration."""
