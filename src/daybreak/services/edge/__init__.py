"""What stands in front of the applications: the gateway. Pure."""
