"""The keeper's side of the gateway: what becomes of requests, and what they tell."""
