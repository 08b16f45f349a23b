"""LIST: what is staged, and which of its files are the release."""
