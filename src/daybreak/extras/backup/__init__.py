"""Backups: what the databases of a cluster hold, in one archive, and back from there."""
