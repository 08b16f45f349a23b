"""anaconda.org, and other servers with its API, as a target."""
