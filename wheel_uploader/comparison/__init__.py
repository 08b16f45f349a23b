"""This release against the previous one: metadata and members of one wheel of each."""
