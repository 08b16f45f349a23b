"""UPLOAD: twine, scheduling, responses and credentials."""
