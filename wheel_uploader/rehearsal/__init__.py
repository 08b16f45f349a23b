"""Rehearsal, smoke test, the local index and the demo."""
