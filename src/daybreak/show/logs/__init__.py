"""Reading logs: which files there are, when each line was written and how bad it is, all merged by time."""
