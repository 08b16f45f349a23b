"""Targets: the places that releases are published to."""
