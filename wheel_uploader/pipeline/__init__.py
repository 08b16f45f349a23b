"""The run: one module per stage, their shared context, and the decisions between stages."""
