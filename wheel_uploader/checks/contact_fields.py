"""PyPI's rules for addresses, links and the summary in core metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.checks import mailboxes
from wheel_uploader.checks.core_metadata import CoreMetadata
from wheel_uploader.core import characters
from wheel_uploader.core.urls import urlsplit

#: Limits in characters.
_MAX_LABEL = 32
_MAX_SUMMARY = 512


def find_contact_problems(metadata: CoreMetadata) -> Iterator[str]:
    """Yield one sentence for each value that PyPI would reject."""
    for field, header in (("author_email", "Author-email"), ("maintainer_email", "Maintainer-email")):
        if (value := metadata.get_value(field)) and (reason := _describe_invalid_address(value)):
            yield f"{header} '{value}' {reason}"
    for field, header in (("home_page", "Home-page"), ("download_url", "Download-URL")):
        if (value := metadata.get_value(field)) and not _is_link(value):
            yield f"{header} '{value}' is not an http or https URL"
    for label, link in (metadata.fields.get("project_urls") or {}).items():
        if not label:
            yield f"Project-URL '{link}' has no label"
        elif len(label) > _MAX_LABEL:
            yield f"Project-URL label '{label}' has more than {_MAX_LABEL} characters"
        if not _is_link(link):
            yield f"Project-URL '{label}, {link}' is not an http or https URL"
    if len(metadata.get_value("summary")) > _MAX_SUMMARY:
        yield f"Summary has more than {_MAX_SUMMARY} characters"


def _describe_invalid_address(value: str) -> str:
    """Return why PyPI would reject a field of addresses, or an empty string if it would not.

    PyPI validates a field only if it reads exactly one address in it; it accepts a field in which it reads
    several or none.
    """
    # This is the validator that PyPI uses; without the deliverability check it makes no DNS queries.
    from email_validator import EmailNotValidError, validate_email

    address = mailboxes.parse_single_address(value)
    if not address:
        return ""
    if not characters.all_assigned(address):
        return "is not valid: it contains characters added after Unicode 14"
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
