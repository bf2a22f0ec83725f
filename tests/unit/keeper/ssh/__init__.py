"""Hosts that the spec names."""
