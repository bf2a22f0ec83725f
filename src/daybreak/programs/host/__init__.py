"""Runs on a host that is reached by SSH, with whichever Python is there."""
