"""WHAT A FILE MUST BE: one function for each check, one table of them here."""
