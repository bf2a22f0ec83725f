"""Saving a file, and what becomes of it: applications, tools, and one trial of both."""
