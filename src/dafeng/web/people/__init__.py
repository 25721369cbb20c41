"""People, organisations, grants, sign-in."""
