"""Fakes and clocks for tests: daybreak's own, and its users'."""
