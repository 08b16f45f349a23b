"""Configuration of Sphinx: ``sphinx-build -n -W docs FOLDER``."""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path

import wheel_uploader

sys.path.insert(0, str(Path(__file__).parent / "extensions"))

project = "wheel-uploader"
author = "The wheel-uploader developers"
project_copyright = author
version = release = wheel_uploader.__version__

extensions = ["check_pages"]
exclude_patterns = ["_build"]
nitpicky = True
default_role = "code"
smartquotes = False
highlight_language = "none"

html_theme = "furo"
# The address of the site is in pyproject.toml.
html_baseurl = next(
    url.partition(", ")[2]
    for url in importlib.metadata.metadata("wheel-uploader").get_all("Project-URL", [])
    if url.startswith("Documentation, ")
)
html_title = f"{project} {release}"
html_show_copyright = False
html_copy_source = False
html_show_sourcelink = False
