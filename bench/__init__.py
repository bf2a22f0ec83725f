"""Named scenarios, daybreak and stock Ray side by side: `python -m bench.startup`, then `python -m bench.table`."""
