"""The report: what is shown, in which format and where."""
