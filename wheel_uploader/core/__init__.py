"""The ground that all packages share; it imports no other package."""
