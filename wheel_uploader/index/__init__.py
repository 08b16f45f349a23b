"""The target index, as it is read."""
