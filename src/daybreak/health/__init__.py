"""Is it ready? `checks` makes one attempt, `wait` is the only wait loop, `watch` follows what runs."""
