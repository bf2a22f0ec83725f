"""The cluster's page: when it is served, and from what."""
