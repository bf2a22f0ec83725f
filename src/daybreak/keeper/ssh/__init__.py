"""Hosts that the spec names: the keeper logs in by SSH, prepares them, and lets them join as by an invitation."""
