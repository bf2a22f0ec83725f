"""What is wrong with a cluster is told to somebody: once when it begins, and once when it is over."""
