"""Everything that writes people, organisations, grants and secrets; each with its row of the audit log."""
