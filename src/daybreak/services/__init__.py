"""What the spec means: the services of a cluster on this machine, as plain values. Pure."""
