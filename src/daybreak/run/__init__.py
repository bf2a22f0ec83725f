"""One run: the plan of what to stop and to start, and carrying it out."""
