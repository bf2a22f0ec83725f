"""The one way to a Docker engine: what is asked of it, labels, what its refusals mean; building images."""
