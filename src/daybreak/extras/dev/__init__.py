"""What `daybreak dev` watches: which files make an application, which have changed, and what is wrong with them."""
