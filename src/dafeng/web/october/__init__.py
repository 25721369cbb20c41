"""The yearly report: contributions, narrative, freezing."""
