"""WHERE FILES WAIT: one file for each kind of staging place, one table of them here."""
