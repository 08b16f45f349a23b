"""Shared parts of the benchmarks: a line with delay and rate, real servers behind it, measured commands."""
