"""What runs a Ray node: `ray start`, the first program of a container, and what stands in for one."""
