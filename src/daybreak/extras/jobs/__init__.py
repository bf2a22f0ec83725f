"""Jobs of Ray, by the jobs API of its dashboard: submitted with a folder, followed to their end, listed, stopped."""
