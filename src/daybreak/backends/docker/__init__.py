"""Services as containers of this machine's engine."""
