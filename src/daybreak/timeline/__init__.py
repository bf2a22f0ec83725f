"""Every event of every run: the one event type, the store, and what the history says."""
