"""What the keeper says to a Ray cluster, and asks of it: Serve, its nodes, its template, its session folders."""
