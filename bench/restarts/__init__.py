"""What becomes of requests while a cluster is restarted, scaled or given new code: see bench.restart."""
