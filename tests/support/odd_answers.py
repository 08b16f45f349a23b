"""Answers of anaconda.org's API to a request for a package that must not be believed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any


def _without(name: str, data: Any) -> Any:
    return {**data, "files": [file for file in data["files"] if file["basename"] != name]}


def _change(name: str, data: Any, **values: Any) -> Any:
    files = [{**file, **values} if file["basename"] == name else file for file in data["files"]]
    return {**data, "files": files}


def odd_answers(confirmed: str) -> Mapping[str, Callable[[Any], Any]]:
    """Return functions from a complete answer, which lists the file ``confirmed`` last, to odd ones.

    A text that they return is a body that is not JSON.
    """
    return {
        "the confirmed file is missing": lambda data: _without(confirmed, data),
        "an older file is missing": lambda data: {**data, "files": data["files"][1:]},
        "no files": lambda data: {**data, "files": []},
        "files is not a list": lambda data: {**data, "files": "none"},
        "without files": lambda data: {key: value for key, value in data.items() if key != "files"},
        "an entry is null": lambda data: {**data, "files": [*data["files"], None]},
        "an entry has no name": lambda data: {**data, "files": [*data["files"], {"version": "1"}]},
        "an entry has no version": lambda data: {**data, "files": [*data["files"], {"basename": "a.whl"}]},
        "a name twice": lambda data: {**data, "files": [*data["files"], data["files"][0]]},
        "another package": lambda data: {**data, "name": "other"},
        "a list": lambda data: data["files"],
        "an empty object": lambda _data: {},
        "empty": lambda _data: "",
        "a page": lambda _data: "<html>please sign in</html>",
        "cut": lambda data: json.dumps(data)[:-20],
        "null": lambda _data: None,
        "the confirmed file has another hash": lambda data: _change(confirmed, data, sha256="0" * 64),
        "the confirmed file has no hash": lambda data: _change(confirmed, data, sha256=None, md5=None),
        "the confirmed file lacks its label": lambda data: _change(confirmed, data, labels=["other"]),
    }
