"""What is wanted of the cluster, stored for the next keeper, and what services are started with."""
