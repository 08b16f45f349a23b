"""Take one release of one project from where its files are staged to a package index."""

__version__ = "0.1.0"
