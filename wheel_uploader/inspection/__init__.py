"""One file verified and checked once, in a worker process, and cached."""
