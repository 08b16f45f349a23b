"""The stages of a run; pipeline.py runs them in order."""
