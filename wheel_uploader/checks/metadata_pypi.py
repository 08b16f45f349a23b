"""Checks of core metadata against PyPI's own rules, and for missing optional fields; see also metadata.py."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from wheel_uploader.checks import contact_fields, content_type, core_metadata, description
from wheel_uploader.checks.core_metadata import SEPARATELY_CHECKED_HEADERS
from wheel_uploader.checks.registry import Observation, check, pypi_check
from wheel_uploader.checks.upload_form import UploadForm, read_upload_form
from wheel_uploader.core.formatting import join_some
from wheel_uploader.core.models import SdistContent, Severity, WheelContent


@pypi_check("metadata/too-new")
def too_new(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Metadata-Version is newer than PyPI supports.

    PyPI accepts metadata versions up to 2.5 and rejects newer ones until it supports them; older tools read
    as much of such metadata as they understand. The cause is a build backend that is ahead of the index. Pin
    the backend to an earlier version for this release.
    """
    metadata = core_metadata.read_core_metadata_or_empty(content)
    if metadata.version > core_metadata.NEWEST_METADATA_VERSION:
        remark = f"; {content.pkginfo_warnings[0]}" if content.pkginfo_warnings else ""
        yield (
            core_metadata.get_metadata_path(content),
            f"Metadata-Version is {metadata.get_value('metadata_version')}{remark}",
        )


@pypi_check("metadata/license-conflict")
def license_conflict(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Both License and License-Expression are present.

    License-Expression (PEP 639) replaces License, and PyPI rejects a file that has both. The usual cause is a
    project that switched to the new field but kept the old one in another configuration file. Remove License.
    """
    form = read_upload_form(content)
    if form.get_text("license") and form.get_text("license_expression"):
        yield core_metadata.get_metadata_path(content), "it has both License and License-Expression"


@pypi_check("metadata/license-file-missing")
def license_file_missing(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """File listed as License-File is not in the archive.

    With Metadata-Version 2.4 or later, PyPI looks for each License-File: in a wheel below
    .dist-info/licenses/, in an sdist at the given path. It rejects the upload if one is missing. Common
    causes are an outdated tool that repacked the wheel, and a build backend that predates PEP 639. Update the
    backend and the repair tool.
    """
    path = core_metadata.get_metadata_path(content)
    folder = path.rpartition("/")[0] + ("/licenses" if isinstance(content, WheelContent) else "")
    members = {member.name for member in content.members}
    for name in read_upload_form(content).get_values("license_files"):
        if f"{folder}/{name}" not in members:
            yield path, f"License-File '{name}' is missing: there is no {folder}/{name}"


@pypi_check("metadata/bad-classifier")
def bad_classifier(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Classifier is unknown, deprecated or private.

    PyPI rejects a file with a classifier that it does not know or has deprecated, and with any classifier
    that begins with "Private ::", which exists for that purpose. This check uses the installed
    trove-classifiers package, which may be outdated: if the classifier is newer than the package, update the
    package. Otherwise fix the project's configuration.
    """
    from trove_classifiers import classifiers, deprecated_classifiers

    path = core_metadata.get_metadata_path(content)
    for classifier in read_upload_form(content).get_values("classifiers"):
        if classifier.lower().startswith("private ::"):
            yield path, f"PyPI rejects '{classifier}' by design"
        elif classifier in deprecated_classifiers:
            replacements = " or ".join(deprecated_classifiers[classifier])
            yield path, f"'{classifier}' is deprecated" + (f": use {replacements}" if replacements else "")
        elif classifier not in classifiers:
            yield (
                path,
                f"unknown classifier '{classifier}' (in trove-classifiers {_get_classifiers_version()})",
            )


@functools.cache
def _get_classifiers_version() -> str:
    from importlib.metadata import version

    return version("trove-classifiers")


@pypi_check("metadata/direct-url")
def direct_url(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Dependency is a direct URL reference.

    PyPI rejects "Requires-Dist: x @ https://..." because the dependency would not be installed from the
    index. Such a reference is usually left over from working with an unreleased version of a dependency.
    Release the dependency, and require a version of it.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    form = read_upload_form(content)
    for field in ("requires_dist", "provides_dist", "obsoletes_dist"):
        for text in form.get_values(field):
            content.budget.count_work(_estimate_parsing_cost(text))
            try:
                url = Requirement(text).url if "@" in text else None
            except (InvalidRequirement, ValueError, RecursionError):
                continue  # metadata/invalid or metadata/bad-field reports it.
            if url:
                yield core_metadata.get_metadata_path(content), f"'{text}' is a direct reference"


def _estimate_parsing_cost(text: str) -> int:
    """Return the units of work that parsing a requirement takes."""
    return 1 + len(text) // 4 if "@" in text else 1


@pypi_check("metadata/description-does-not-render")
def description_does_not_render(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Long description does not render, or its content type is invalid.

    PyPI renders the description during the upload and rejects the file if that fails. Without a
    Description-Content-Type the text is treated as reStructuredText, so a README.md needs "text/markdown".
    Sphinx roles and directives are not available on PyPI, and a blank README is rejected too. Fix the README
    or its content type, and build again.
    """
    path = core_metadata.get_metadata_path(content)
    metadata = core_metadata.read_core_metadata_or_empty(content)
    invalid_type = [problem for header, problem in metadata.problems if header in SEPARATELY_CHECKED_HEADERS]
    yield from ((path, problem) for problem in invalid_type)
    if not invalid_type and (reason := _render_description(content).rejection_reason):
        yield path, reason


@check("metadata/description-not-tried", Severity.WARNING)
def description_not_tried(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Long description could not be rendered here.

    The description is very long, or it keeps the renderer busy indefinitely, so it is unknown whether PyPI
    would accept the file. Shorten the description; for example, move a long change log to a separate page.
    """
    if reason := _render_description(content).unknown_reason:
        yield core_metadata.get_metadata_path(content), reason


def _render_description(content: WheelContent | SdistContent) -> description.Rendering:
    form = read_upload_form(content)
    text = form.get_text("description")
    if not text:
        return description.Rendering()
    return description.render_description(text, form.get_text("description_content_type"))


@pypi_check("metadata/bad-contact")
def bad_contact(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Email address, URL or summary violates PyPI's rules.

    PyPI rejects the file unless addresses are valid, URLs begin with http:// or https://, each Project-URL
    label has at most 32 characters, and the summary has at most 512. The usual cause is a typo or a relative
    link. Fix the project's configuration and build again.
    """
    path = core_metadata.get_metadata_path(content)
    yield from (
        (path, sentence) for sentence in contact_fields.find_contact_problems(read_upload_form(content))
    )


@check("metadata/doubtful-value", Severity.WARNING)
def doubtful_value(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Field has a value that PyPI accepts but that is probably a mistake.

    A URL without a host or with a blank in it leads nowhere when users click it. A charset other than "UTF-8"
    in capitals is accepted or rejected depending on the version of packaging that the index runs. Fix the
    project's configuration before the next release.
    """
    path = core_metadata.get_metadata_path(content)
    form = read_upload_form(content)
    yield from ((path, sentence) for sentence in contact_fields.find_unusable_urls(form))
    charset = content_type.get_charset(form.get_text("description_content_type"))
    if charset != "UTF-8" and charset.upper() == "UTF-8":
        yield path, f"the charset of Description-Content-Type is '{charset}' instead of 'UTF-8'"


@pypi_check("metadata/bad-field")
def bad_field(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Field has a value that only PyPI rejects.

    The specification and twine accept the value. PyPI drops a field whose value is UNKNOWN, so a project
    cannot have that name; it requires that Provides-Dist and Obsoletes-Dist are valid requirements, that
    Dynamic does not list Dynamic itself, and that no value contains a NUL character. Fix the project's
    configuration, and build again.
    """
    path = core_metadata.get_metadata_path(content)
    metadata = core_metadata.read_core_metadata_or_empty(content)
    form = read_upload_form(content)
    for field in ("name", "version"):
        if metadata.fields.get(field) and not form.get_text(field):
            yield path, f"{field.title()} is '{metadata.fields[field]}', which PyPI drops"
    for header, text in _iter_dists(form):
        content.budget.count_work(_estimate_parsing_cost(text))
        if not _is_requirement(text):
            yield path, f"{header} '{text}' is not a valid requirement"
    if any(value.lower() == "dynamic" for value in form.get_values("dynamic")):
        yield path, "Dynamic lists itself"
    for field, values in form.values.items():
        if any("\0" in value for value in values):
            yield path, f"{field.replace('_', '-')} contains a NUL character"


def _iter_dists(form: UploadForm) -> Iterator[tuple[str, str]]:
    """Yield the header and value of each field that packaging does not validate and PyPI does."""
    for field, header in (("provides_dist", "Provides-Dist"), ("obsoletes_dist", "Obsoletes-Dist")):
        yield from ((header, value) for value in form.get_values(field))


def _is_requirement(text: str) -> bool:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except (InvalidRequirement, ValueError, RecursionError):
        return False
    return True


#: Fields that old build tools fill with UNKNOWN and that users see; all wheels of old setuptools have a
#: Platform like that.
_VISIBLE_FIELDS = (
    *("summary", "description", "keywords", "license", "home_page", "download_url"),
    *("author", "author_email", "maintainer", "maintainer_email"),
)


@check("metadata/placeholder", Severity.NOTE)
def placeholder(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Field has the placeholder UNKNOWN as its value.

    Old versions of setuptools and distutils write UNKNOWN into fields that the project does not set. PyPI
    drops such a value; other tools show it. Set the field in the project's configuration, or update the
    build tool.
    """
    fields = core_metadata.read_core_metadata_or_empty(content).fields
    unknown = [field for field in _VISIBLE_FIELDS if _is_placeholder(fields.get(field))]
    if unknown:
        names = join_some(field.replace("_", "-").capitalize() for field in unknown)
        yield core_metadata.get_metadata_path(content), f"UNKNOWN is the value of {names}"


def _is_placeholder(value: object) -> bool:
    return (", ".join(value) if isinstance(value, list) else str(value)).strip() == "UNKNOWN"


@check("metadata/thin", Severity.NOTE)
def thin(content: WheelContent | SdistContent) -> Iterator[Observation]:
    """Metadata lacks recommended fields.

    The project page on the index is generated from the metadata, and Requires-Python keeps pip from
    installing the release on a Python version that it does not support. The file is valid; add the missing
    fields to the project's configuration when convenient.
    """
    metadata = core_metadata.read_core_metadata_or_empty(content)
    if not metadata.fields:
        return
    # A field that cannot be parsed is not missing.
    present = {field for field, value in metadata.fields.items() if value}
    present |= {header.replace("-", "_") for header, _ in metadata.problems}
    recommended = {
        "a description": "description",
        "Requires-Python": "requires_python",
        "classifiers": "classifiers",
        "a license": "license license_expression license_files",
        "a URL": "home_page project_urls download_url",
    }
    missing = [label for label, fields in recommended.items() if not present & set(fields.split())]
    if "a license" in missing and any(
        classifier.startswith("License ::") for classifier in metadata.get_values("classifiers")
    ):
        missing.remove("a license")
    if missing:
        yield core_metadata.get_metadata_path(content), f"it lacks {', '.join(missing)}"


CHECKS = (
    too_new,
    license_conflict,
    license_file_missing,
    bad_classifier,
    direct_url,
    description_does_not_render,
    description_not_tried,
    bad_contact,
    bad_field,
    doubtful_value,
    placeholder,
    thin,
)
