"""DOWNLOAD: fetch files into the wheelhouse."""
