"""What brings Serve applications onto a cluster, and says in their author's words why one does not come."""
