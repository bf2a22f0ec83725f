"""What stands beside it, and could be taken away: diagnoses, exports, the load test."""
