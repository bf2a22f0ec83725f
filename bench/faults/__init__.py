"""Faults, one after the other, on one cluster under load: what each costs requests, status and stored data."""
