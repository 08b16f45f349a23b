"""Addresses, links and the summary of core metadata, by the rules of PyPI."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader import characters
from wheel_uploader.checks import mailboxes
from wheel_uploader.checks.core_metadata import CoreMetadata
from wheel_uploader.urls import urlsplit

#: Characters.
_MOST_LABEL = 32
_MOST_SUMMARY = 512


def problems(metadata: CoreMetadata) -> Iterator[str]:
    """One sentence for each thing that PyPI would refuse."""
    for field, header in (("author_email", "Author-email"), ("maintainer_email", "Maintainer-email")):
        if (value := metadata.text(field)) and (reason := _why_no_address(value)):
            yield f"{header} '{value}' {reason}"
    for field, header in (("home_page", "Home-page"), ("download_url", "Download-URL")):
        if (value := metadata.text(field)) and not _is_link(value):
            yield f"{header} '{value}' is no http or https URL"
    for label, link in (metadata.fields.get("project_urls") or {}).items():
        if not label:
            yield f"Project-URL '{link}' has no label"
        elif len(label) > _MOST_LABEL:
            yield f"the label '{label}' of a Project-URL has more than {_MOST_LABEL} characters"
        if not _is_link(link):
            yield f"Project-URL '{label}, {link}' is no http or https URL"
    if len(metadata.text("summary")) > _MOST_SUMMARY:
        yield f"Summary has more than {_MOST_SUMMARY} characters"


def _why_no_address(value: str) -> str:
    """Return why PyPI would refuse a field of addresses; empty if it would not.

    PyPI judges a single address, and accepts any field in which it reads several or none.
    """
    # PyPI's own validator; it needs a name server for nothing that is asked here.
    from email_validator import EmailNotValidError, validate_email

    address = mailboxes.only_address(value)
    if not address:
        return ""
    if not characters.are_known(address):
        return "is not valid: it has characters that are newer than Unicode 14"
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        return f"is not valid: {error}"
    return ""


def _is_link(value: str) -> bool:
    try:
        parts = urlsplit(value)
        return parts.scheme in {"http", "https"} and bool(parts.hostname) and not re.search(r"\s", value)
    except ValueError:
        return False
