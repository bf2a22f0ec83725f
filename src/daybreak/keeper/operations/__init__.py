"""What each request means: one file an operation, each with what it needs."""
