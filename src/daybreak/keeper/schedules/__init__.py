"""Services that run now and then: when, what became of it, and how a keeper goes on where another one ended."""
