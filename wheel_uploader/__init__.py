"""Publish a staged release of a project to a package index."""

__version__ = "0.1.0"
