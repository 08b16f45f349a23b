"""The local directory of downloaded files, and digests."""
