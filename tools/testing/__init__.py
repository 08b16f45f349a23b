"""Servers, wheels and other inputs for tests and benchmarks, neither of which imports the other."""
