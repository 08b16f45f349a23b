"""HTTP client: host policy, credentials, retries and bounds for responses."""
