"""Ray's services: head, workers, warm template, the Serve applications and what is in front of them. Pure."""
