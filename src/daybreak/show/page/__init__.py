"""The keeper's page: what runs, where the seconds went, metrics for Prometheus. It reads; the keeper acts."""
