"""What is wrong with this machine or this cluster, and the command that mends it: one small diagnosis a file."""
