"""Outside payload to Event, one file per source."""
