"""Platform tags: their meaning, the matrix of a release, and the libraries that each platform provides.

The .json files are data of other projects; their headers state the origin, version and licence.
"""
