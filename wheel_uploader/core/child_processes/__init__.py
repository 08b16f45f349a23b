"""Child processes: their environment, output and end."""
