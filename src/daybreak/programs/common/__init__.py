"""What several of the programs use."""
