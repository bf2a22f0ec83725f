"""What brings back what has crashed, what a failed change has replaced, and what a killed keeper has left."""
