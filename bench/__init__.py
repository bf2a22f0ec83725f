"""Named scenarios, daybreak and stock Ray side by side: `python -m bench`, then `python -m bench.table`."""
