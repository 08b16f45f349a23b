"""Core metadata held against PyPI's own rules, and what it could say besides; the rest is in metadata.py."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from wheel_uploader.checks import contact, core_metadata, description
from wheel_uploader.checks.core_metadata import ELSEWHERE, CoreMetadata
from wheel_uploader.checks.registry import Yielded, check, pypi_check
from wheel_uploader.models import SdistContent, Severity, WheelContent


@pypi_check("metadata/too-new")
def too_new(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """Metadata-Version is newer than PyPI takes.

    PyPI takes 2.5 and older, and refuses anything newer until it has learned it; older tools read such
    metadata as far as they understand it. The cause is a build backend that is ahead of the index. Pin the
    backend to an earlier version for this release.
    """
    metadata = core_metadata.or_nothing(content)
    if metadata.version > core_metadata.NEWEST:
        aside = f"; {content.pkginfo_remarks[0]}" if content.pkginfo_remarks else ""
        yield (
            core_metadata.path_of(content),
            f"Metadata-Version is {metadata.text('metadata_version')}{aside}",
        )


@pypi_check("metadata/license-conflict")
def license_conflict(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """License and License-Expression are both given.

    License-Expression (PEP 639) replaces License, and PyPI refuses a file with both. The usual cause is a
    project that moved to the new field and kept the old one in another configuration file. Remove License.
    """
    metadata = core_metadata.or_nothing(content)
    if metadata.text("license") and metadata.text("license_expression"):
        yield core_metadata.path_of(content), "both License and License-Expression are given"


@pypi_check("metadata/license-file-missing")
def license_file_missing(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """A License-File of the metadata is not in the archive.

    With Metadata-Version 2.4 or later PyPI looks for each License-File, in a wheel below
    .dist-info/licenses/ and in an sdist at its path, and refuses the file when one is absent. The usual
    cause is an old tool that repacked the wheel, or a build backend of before PEP 639. Update the backend
    and the repair tool.
    """
    metadata = core_metadata.or_nothing(content)
    if metadata.version < (2, 4):
        return
    path = core_metadata.path_of(content)
    folder = path.rpartition("/")[0] + ("/licenses" if isinstance(content, WheelContent) else "")
    there = {member.name for member in content.members}
    for name in metadata.each("license_files"):
        if f"{folder}/{name}" not in there:
            yield path, f"License-File '{name}' is not at {folder}/{name}"


@pypi_check("metadata/bad-classifier")
def bad_classifier(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """A classifier is unknown, deprecated or private.

    PyPI refuses a file with a classifier that it does not know or has retired, and with any that begins
    with "Private ::", which is what that one is for. Judged by the trove-classifiers package that is
    installed here, which ages: when a classifier is newer than it, update the package. Otherwise correct
    the project's configuration.
    """
    from trove_classifiers import classifiers, deprecated_classifiers

    path = core_metadata.path_of(content)
    for classifier in core_metadata.or_nothing(content).each("classifiers"):
        if classifier.lower().startswith("private ::"):
            yield path, f"'{classifier}' keeps the file off PyPI, as it is meant to"
        elif classifier in deprecated_classifiers:
            better = " or ".join(deprecated_classifiers[classifier])
            yield path, f"'{classifier}' is deprecated" + (f": use {better}" if better else "")
        elif classifier not in classifiers:
            yield (
                path,
                f"there is no classifier '{classifier}' (in trove-classifiers {_classifiers_version()})",
            )


@functools.cache
def _classifiers_version() -> str:
    from importlib.metadata import version

    return version("trove-classifiers")


@pypi_check("metadata/direct-url")
def direct_url(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """A dependency is given by URL.

    PyPI refuses "Requires-Dist: x @ https://...", for what it installs would not come from the index. It
    stays behind after working with an unreleased version of a dependency. Release the dependency, and name
    a version of it.
    """
    from packaging.requirements import InvalidRequirement, Requirement

    metadata = core_metadata.or_nothing(content)
    for field in ("requires_dist", "provides_dist", "obsoletes_dist"):
        for text in metadata.each(field):
            content.budget.tick(_cost(text))
            try:
                url = Requirement(text).url if "@" in text else None
            except (InvalidRequirement, ValueError, RecursionError):
                continue  # metadata/invalid
            if url:
                yield core_metadata.path_of(content), f"'{text}' is a direct reference"


def _cost(text: str) -> int:
    """Units of work that parsing a requirement takes."""
    return 1 + len(text) // 4 if "@" in text else 1


@pypi_check("metadata/description-does-not-render")
def description_does_not_render(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """The long description does not render, or its content type is not valid.

    PyPI renders it when the file is uploaded, and refuses the file when that fails. Without a
    Description-Content-Type it is taken for reStructuredText, so a README.md needs "text/markdown"; Sphinx
    roles and directives do not exist there; a README that is blank is refused too. Correct the README or
    its content type, and build again.
    """
    path = core_metadata.path_of(content)
    metadata = core_metadata.or_nothing(content)
    wrong_type = [problem for header, problem in metadata.problems if header in ELSEWHERE]
    yield from ((path, problem) for problem in wrong_type)
    if not wrong_type and (reason := _rendering(metadata).refused):
        yield path, reason


@check("metadata/description-not-tried", Severity.WARNING)
def description_not_tried(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """The long description could not be rendered here, so PyPI's verdict is not known.

    It is very long, or of a kind that keeps the renderer busy for ever. PyPI may refuse the file, or take
    it. Shorten the description: a change log of many years belongs on a page of its own.
    """
    metadata = core_metadata.or_nothing(content)
    if reason := _rendering(metadata).unknown:
        yield core_metadata.path_of(content), reason


def _rendering(metadata: CoreMetadata) -> description.Rendering:
    text = metadata.fields.get("description")
    if not isinstance(text, str) or not text or text.strip() == "UNKNOWN":
        return description.Rendering()
    return description.render(text, metadata.text("description_content_type"))


@pypi_check("metadata/bad-contact")
def bad_contact(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """An e-mail address, a URL or the summary breaks a rule of PyPI.

    Addresses have to be valid, URLs have to begin with http:// or https://, the label of a Project-URL has
    at most 32 characters and the summary 512; PyPI refuses the file otherwise. The usual cause is a typing
    error, or a relative link. Correct the project's configuration and build again.
    """
    path = core_metadata.path_of(content)
    yield from ((path, sentence) for sentence in contact.problems(core_metadata.or_nothing(content)))


@check("metadata/thin", Severity.NOTE)
def thin(content: WheelContent | SdistContent) -> Iterator[Yielded]:
    """The metadata says little about the project.

    The page on the index is made from it, and Requires-Python keeps pip from choosing the release for a
    Python that it does not run on. Nothing is wrong; add what is missing to the project's configuration
    when there is time.
    """
    metadata = core_metadata.or_nothing(content)
    if not metadata.fields:
        return
    # What is there and cannot be read is not missing.
    there = {field for field, value in metadata.fields.items() if value}
    there |= {header.replace("-", "_") for header, _ in metadata.problems}
    wanted = {
        "a description": "description",
        "Requires-Python": "requires_python",
        "classifiers": "classifiers",
        "a licence": "license license_expression license_files",
        "a URL": "home_page project_urls download_url",
    }
    absent = [what for what, fields in wanted.items() if not there & set(fields.split())]
    if "a licence" in absent and any(each.startswith("License ::") for each in metadata.each("classifiers")):
        absent.remove("a licence")
    if absent:
        yield core_metadata.path_of(content), f"it lacks {', '.join(absent)}"


CHECKS = (
    too_new,
    license_conflict,
    license_file_missing,
    bad_classifier,
    direct_url,
    description_does_not_render,
    description_not_tried,
    bad_contact,
    thin,
)
