"""Several machines: their keepers among themselves. The first one's keeper wants, those of the others carry out."""
