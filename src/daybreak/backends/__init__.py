"""Where services run: six methods, as processes, as containers, and a fake for tests."""
