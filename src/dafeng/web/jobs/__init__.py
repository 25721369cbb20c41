"""Background runs: leased, fenced, cancellable."""
