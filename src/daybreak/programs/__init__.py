"""Programs that other interpreters run: Ray's, an image's, a container's. Standard library and Ray only."""
