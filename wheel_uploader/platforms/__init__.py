"""What the platform tags mean, and what the platforms behind them promise to compiled code.

The .json files are other projects' data; their headers say whose, of which version and under which licence.
"""
