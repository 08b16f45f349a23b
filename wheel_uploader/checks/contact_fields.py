"""PyPI's rules for addresses, URLs and the summary in core metadata."""

from __future__ import annotations

import re
from collections.abc import Iterator

from wheel_uploader.checks import mailboxes
from wheel_uploader.checks.upload_form import UploadForm
from wheel_uploader.core import characters
from wheel_uploader.core.urls import urlsplit

#: Limits in characters.
_MAX_LABEL = 32
_MAX_SUMMARY = 512
_ALLOWED_SCHEMES = ("http", "https")
#: Parts of a URL whose syntax PyPI validates; it does not require a host.
_VALIDATED_PARTS = ("scheme", "host", "port", "path", "query")
#: Maximum characters of a URL that is validated; PyPI has no limit.
_MAX_URL = 4096
#: A URL of the usual form, which the library accepts. Its import takes 20 ms.
_USUAL_URL = re.compile(r"https?://[A-Za-z][A-Za-z0-9.-]*(?:/[A-Za-z0-9._~/-]*)?\Z")


def find_contact_problems(form: UploadForm) -> Iterator[str]:
    """Yield one sentence for each value that PyPI would reject."""
    for field, header in (("author_email", "Author-email"), ("maintainer_email", "Maintainer-email")):
        value = form.get_text(field)
        if reason := _describe_invalid_address(value):
            yield f"{header} '{value}' {reason}"
    for field, header in (("home_page", "Home-page"), ("download_url", "Download-URL")):
        if (url := form.get_text(field)) and not is_accepted_url(url):
            yield f"{header} '{url}' is not a valid http or https URL"
    for label, url in form.project_urls:
        if not label:
            yield f"Project-URL '{url}' has no label"
        elif len(label) > _MAX_LABEL:
            yield f"Project-URL label '{label}' has more than {_MAX_LABEL} characters"
        elif not url:
            yield f"Project-URL '{label}' is not of the form LABEL, URL"
        elif not is_accepted_url(url):
            yield f"Project-URL '{label}, {url}' is not a valid http or https URL"
    if len(form.get_text("summary")) > _MAX_SUMMARY:
        yield f"Summary has more than {_MAX_SUMMARY} characters"


def find_unusable_urls(form: UploadForm) -> Iterator[str]:
    """Yield one sentence for each URL that PyPI accepts but that leads nowhere."""
    fields = [("Home-page", form.get_text("home_page")), ("Download-URL", form.get_text("download_url"))]
    fields += [(f"Project-URL '{label}'", url) for label, url in form.project_urls]
    for name, url in fields:
        if url and is_accepted_url(url) and (problem := _describe_unusable_url(url)):
            yield f"{name} is '{url}': {problem}"


def _describe_invalid_address(value: str) -> str:
    """Return why PyPI would reject a field of addresses, or an empty string if it would not.

    PyPI validates a field only if it reads exactly one address in it; it accepts a field in which it reads
    several or none.
    """
    # This is the validator that PyPI uses; without the deliverability check it makes no DNS queries.
    from email_validator import EmailNotValidError, validate_email

    address = mailboxes.parse_single_address(value)
    # What the validator says of characters added after Unicode 14 depends on the Python that runs it.
    if not address or not characters.all_assigned(address):
        return ""
    try:
        validate_email(address, check_deliverability=False)
    except EmailNotValidError as error:
        return f"is not valid: {error}"
    return ""


def is_accepted_url(url: str) -> bool:
    """Return whether PyPI accepts the URL, according to the library that it uses."""
    if len(url) > _MAX_URL:
        return url.lower().startswith(tuple(f"{scheme}:" for scheme in _ALLOWED_SCHEMES))
    if _USUAL_URL.match(url):
        return True
    from rfc3986 import exceptions, uri_reference, validators

    validator = validators.Validator().allow_schemes(*_ALLOWED_SCHEMES).require_presence_of("scheme")
    validator.check_validity_of(*_VALIDATED_PARTS)
    try:
        validator.validate(uri_reference(url).normalize())
    except (exceptions.RFC3986Exception, ValueError):
        return False
    return True


def _describe_unusable_url(url: str) -> str:
    if re.search(r"\s", url):
        return "it contains a blank"
    try:
        return "" if urlsplit(url).hostname else "it has no host"
    except ValueError:
        return "its host is malformed"
