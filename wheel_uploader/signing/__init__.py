"""SIGN: GPG signatures and attestations."""
