"""The platform: people, plans, reporting cycle, review, audit and reports in the browser, over the workspace."""
