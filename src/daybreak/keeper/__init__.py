"""The background process of one cluster: owns its services, restarts what crashes, answers the command."""
