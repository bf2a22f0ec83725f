"""What was deployed with success: kept, listed, and deployed again."""
