"""A hundred restarts in a row, and what is left of each: see bench.endurance."""
