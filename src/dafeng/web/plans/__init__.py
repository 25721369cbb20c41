"""Plans: documents, review of their reading, tasks."""
