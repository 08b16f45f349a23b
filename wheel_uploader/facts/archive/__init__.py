"""Wheels and sdists, read without unpacking."""
