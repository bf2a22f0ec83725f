"""A cluster that starts with the machine: a unit of systemd, and what it is told."""
