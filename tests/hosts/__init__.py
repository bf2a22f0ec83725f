"""Several machines: each is a network namespace with an address and folders of its own."""
