"""The changes from a wheel of the previous release to the same wheel of this one."""

from __future__ import annotations

from packaging.version import Version

from wheel_uploader.core.lazy_dataclass import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ValueChange:
    """The values of one property that were added and removed, such as requirements or entry points."""

    #: ``Requires-Dist``, ``entry points``, ``top-level names``, ``start-up code``, ...
    name: str
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SizeChange:
    """The unpacked bytes of a folder, in the previous wheel and in this one; 0 where it is absent."""

    folder: str
    previous: int
    current: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseChanges:
    """The changes since the previous release, as one pair of wheels shows them."""

    version: Version
    #: File names of the two wheels; empty if there is no pair.
    previous_filename: str = ""
    filename: str = ""
    values: tuple[ValueChange, ...] = ()
    #: The folders that changed most in size, and the whole wheel, whose folder is empty.
    sizes: tuple[SizeChange, ...] = ()
    #: True if the previous wheel has files that Python reads at every start; None if that is not known.
    had_startup_code: bool | None = None
    #: One sentence for each part that could not be compared.
    not_compared: tuple[str, ...] = ()
