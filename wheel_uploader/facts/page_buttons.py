"""Buttons of HTML pages that lead to the rest of a listing: those of forms and of scripts. No I/O."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlencode

from wheel_uploader.core.redaction import sanitize
from wheel_uploader.core.urls import urljoin, urlsplit, urlunsplit
from wheel_uploader.facts.page_links import is_next_text

#: Tags that this module reads. A link is a button if a script handles it.
BUTTON_TAGS = frozenset({"form", "input", "button", "select"})
#: Attributes that attach a script to a link or button.
_SCRIPT_ATTRIBUTES = (
    *("onclick", "onmousedown", "hx-get", "hx-post", "data-page", "data-url", "data-href", "data-next"),
    *("wire:click", "ng-click", "@click", "v-on:click", "x-on:click"),
)
#: The call by which a page of ASP.NET shows another page of a table.
_POST_BACK_PAGE = re.compile(r"__doPostBack\(.{0,200}Page\$")
#: Buttons with these words in an attribute show the next picture or month.
_OTHER_BUTTON = re.compile(r"carousel|slide|swip|gallery|lightbox|calendar|month|tour|step", re.IGNORECASE)
_HIDDEN_STYLE = re.compile(r"display\s{0,10}:\s{0,10}none|visibility\s{0,10}:\s{0,10}hidden", re.IGNORECASE)
_HIDDEN_CLASSES = frozenset({"disabled", "is-disabled", "hidden", "d-none", "invisible"})
#: Texts that announce more files only in a form, which has the number of the page. Menus have them, too.
_VAGUE_TEXTS = frozenset({"more", "older", "avanti"})
_MAX_TEXT = 100
_MAX_FIELDS = 100


@dataclass(slots=True)
class _Form:
    action: str
    method: str
    fields: list[tuple[str, str]] = field(default_factory=list)
    has_choice: bool = False


@dataclass(slots=True)
class _Button:
    #: None if a script handles the button.
    form: _Form | None
    attributes: Mapping[str, str]
    text: str = ""


class PageButtons:
    """Collects the first button that announces the next page, in the order of the page."""

    def __init__(self) -> None:
        self._form: _Form | None = None
        self._button: _Button | None = None
        self._next: _Button | None = None

    @property
    def is_inside(self) -> bool:
        """True between the start and the end of a button."""
        return self._button is not None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Read the start of an element of ``BUTTON_TAGS``."""
        if tag == "form":
            method = attributes.get("method", "get").strip().lower()
            self._form = _Form(attributes.get("action", "").strip(), method)
        elif tag == "select":
            if self._form is not None:
                self._form.has_choice = True
        elif tag == "button":
            if attributes.get("type", "submit").lower() != "reset":
                form = self._form if attributes.get("type", "submit").lower() == "submit" else None
                self._button = _Button(form, attributes)
        else:
            self._start_input(attributes)

    def start_link(self, attributes: Mapping[str, str]) -> None:
        """Read the start of a link: it is a button if it has no target, and a script handles it."""
        href = attributes.get("href", "").strip()
        is_script = href[:11].lower() == "javascript:"
        # "javascript:void(0)" and "javascript:;" do nothing.
        is_call = is_script and "".join(href[11:200].lower().split()).strip(";()0") not in {"", "void"}
        has_script = any(name in attributes for name in _SCRIPT_ATTRIBUTES)
        if is_call or (has_script and (not href or href[0] == "#" or is_script)):
            self._button = _Button(None, attributes)

    def add_text(self, text: str) -> None:
        """Add a part of the text of the button."""
        if self._button is not None and len(self._button.text) < _MAX_TEXT:
            self._button.text += text[:_MAX_TEXT]

    def end(self, tag: str) -> None:
        """Read the end of a form, a button or a link."""
        if tag == "form":
            self._form = None
        elif self._button is not None:
            self._keep(self._button)
            self._button = None

    def find_next(self, base_url: str, page_url: str) -> tuple[str, str]:
        """Return the URL of the next page, or in one clause why it has none; both empty for a last page."""
        button = self._next
        if button is None:
            return "", ""
        name = f"its button '{sanitize(_get_text(button), limit=40)}'"
        form = button.form
        fields = [] if form is None else list(form.fields)
        if key := button.attributes.get("name", ""):
            fields.append((key, button.attributes.get("value", "")))
        if form is None or not fields:
            return "", f"{name} needs a script"
        method = button.attributes.get("formmethod", form.method).lower()
        if method != "get":
            return "", f"{name} sends a form ({sanitize(method, limit=20).upper()})"
        if form.has_choice:
            return "", f"{name} sends a form with a list to choose from"
        try:
            target = urljoin(base_url, button.attributes.get("formaction", form.action) or page_url)
            parts = urlsplit(target)
        except ValueError:
            return "", f"{name} leads to an invalid URL"
        url = urlunsplit(parts._replace(query=urlencode(fields), fragment=""))
        if parts.scheme not in {"http", "https"} or not parts.netloc:
            return "", f"{name} leads to an invalid URL"
        return ("", "") if url == page_url else (url, "")

    def _start_input(self, attributes: Mapping[str, str]) -> None:
        kind = attributes.get("type", "text").lower()
        if kind in {"submit", "image", "button"}:
            form = self._form if kind != "button" else None
            text = attributes.get("value", "") or attributes.get("alt", "")
            self._keep(_Button(form, attributes, text))
        elif kind in {"radio", "checkbox"}:
            if self._form is not None:
                self._form.has_choice = True
        elif self._form is not None and kind != "reset" and "disabled" not in attributes:
            name = attributes.get("name", "")
            if name and len(self._form.fields) < _MAX_FIELDS:
                self._form.fields.append((name, attributes.get("value", "")))

    def _keep(self, button: _Button) -> None:
        if self._next is None and _announces_next_page(button) and not _is_inactive(button.attributes):
            self._next = button


def _announces_next_page(button: _Button) -> bool:
    attributes = button.attributes
    if button.form is None and any(_OTHER_BUTTON.search(f"{key} {attributes[key]}") for key in attributes):
        return False
    if _POST_BACK_PAGE.search(attributes.get("href", "")[:1000]):
        return True
    texts = (button.text, *(attributes.get(key, "") for key in ("aria-label", "title")))
    return any(
        is_next_text(text) and (button.form is not None or text.strip().lower() not in _VAGUE_TEXTS)
        for text in texts
    )


def _is_inactive(attributes: Mapping[str, str]) -> bool:
    return (
        "disabled" in attributes
        or "hidden" in attributes
        or attributes.get("aria-disabled", "").lower() == "true"
        or bool(_HIDDEN_STYLE.search(attributes.get("style", "")))
        or not _HIDDEN_CLASSES.isdisjoint(attributes.get("class", "").lower().split())
    )


def _get_text(button: _Button) -> str:
    texts = (button.text, button.attributes.get("aria-label", ""), button.attributes.get("title", ""))
    return next((" ".join(text.split()) for text in texts if text.strip()), "")
