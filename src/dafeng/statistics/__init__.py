"""Statistics: what each body owes, forms out and in, checks on what comes back."""
