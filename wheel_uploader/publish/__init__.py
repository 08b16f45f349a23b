"""Upload: the target index, the credentials, and the scheduling of uploads."""
