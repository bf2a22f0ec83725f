"""What an image is built from: the Dockerfile, and the programs that it runs. They use the standard library alone, and
run in the image's interpreter, which may be older than ours (3.8)."""
