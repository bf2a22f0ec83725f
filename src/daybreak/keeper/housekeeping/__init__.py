"""What is done now and then, and what is tidied up at the end."""
