"""Readers that turn an open stream or text into facts; they open nothing."""
