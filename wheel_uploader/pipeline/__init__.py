"""The run: one module per stage, and what they share."""
