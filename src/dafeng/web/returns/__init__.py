"""The reporting cycle: forms, drafts, submissions, reviews, sealing."""
