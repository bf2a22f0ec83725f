"""Runs: plans carried out and recorded, from what is checked first to what runs after one has failed."""
