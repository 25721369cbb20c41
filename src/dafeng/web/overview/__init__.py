"""The first page, the target list and the public page."""
