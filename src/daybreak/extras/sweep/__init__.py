"""Throughput and latency of an application with different numbers of workers, and which number is best."""
