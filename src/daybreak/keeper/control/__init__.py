"""How commands talk to the keeper: the socket, what may be asked for, and what a command reads by itself."""
