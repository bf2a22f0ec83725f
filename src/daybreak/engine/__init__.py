"""Docker's engine: what ours is called there, how it is reached, and what its refusals mean."""
