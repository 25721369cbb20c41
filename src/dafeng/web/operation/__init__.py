"""Operation: health, backup, self-check, logs."""
