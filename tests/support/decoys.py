"""File names that a careless listing parser takes for wheels."""

from __future__ import annotations

#: Names that resemble a wheel's, or that are hard to put into a link.
DECOYS = (
    "dipy-1.11.0-py3-none-any.whl.asc",
    "dipy-1.11.0-py3-none-any.whl.metadata",
    "dipy-1.11.0-py3-none-any.whl.part",
    "dipy-1.11.0-py3-none-any.whl.sha256",
    "dipy-1.11.0-py3-none-any (1).whl",
    "dipy-1.11.0-py3-none-any.whl ",
    "a&amp;b.txt",
    "a&lt.txt",
    "100%.txt",
    "%41%2Fb.txt",
    "plus+and space.txt",
    "what?#.txt",
    "quote'\"s.txt",
    "a;b=c,d:e@f.txt",
    "ünïcödé-✓.txt",
    "<b>bold.txt",
    "x" * 90 + ".txt",
)
