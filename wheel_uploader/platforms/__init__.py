"""What platform tags mean, the places of a release that they name, and what they promise to compiled code.

The .json files are other projects' data; their headers say whose, of which version and under which licence.
"""
