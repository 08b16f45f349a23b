"""GitHub releases: a draft gets the files, and is published when it has all of them."""
