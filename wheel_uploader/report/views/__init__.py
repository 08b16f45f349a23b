"""What a report shows, independent of its format."""
