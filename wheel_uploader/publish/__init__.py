"""Where a release goes, with whose credentials, and one POST after the other."""
