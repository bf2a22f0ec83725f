"""The pictures of the docs: a real cluster, looked at with a real browser."""
