"""Shared ground of all packages; imports none of them."""
