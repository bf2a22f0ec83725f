"""Machines that are none: network namespaces on one switch with this machine. Files, processes and processors are
shared, and links have no delay."""
