"""What is to be published into the workspace, delivered exactly once."""
