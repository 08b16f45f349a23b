"""What the benchmarks stand on: a line with delay and rate, real servers behind it, measured commands."""
