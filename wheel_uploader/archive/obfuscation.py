"""Marks of encrypted Python source, looked for in a stream of bytes while it passes."""

from __future__ import annotations

#: Bytes up to which PyPI looks into a member, and the members that it looks into.
MAX_SIZE = 5 << 20
SUFFIXES = (".py", ".pye")

# In two parts each: this file itself must be free of them.
_PYARMOR = b"__" + b"pyarmor_"
_PYARMOR_MARKS = (b"_(__name__, __file__,", b"enter__", b"exit__", b"assert__", b"bcc__")
_PYE = b"PYE " + b"FILE---"
_PYE_MARKS = (b"---BEGIN ", b"---END ")
#: A mark may lie across the border of two pieces.
_LONGEST = max(
    len(_PYARMOR) + max(map(len, _PYARMOR_MARKS)),
    len(_PYE) + max(map(len, _PYE_MARKS)),
)


class Marks:
    """Fed with the pieces of one member, it knows by which tool the source was encrypted."""

    def __init__(self) -> None:
        self._tail = b""
        self._pyarmor = False
        self._pye: set[bytes] = set()

    def feed(self, piece: bytes) -> None:
        text = self._tail + piece
        # One search for what all marks of a tool have in common: almost always there is nothing. Only then
        # for each mark, which takes the same time however often the common part is there.
        if not self._pyarmor and _PYARMOR in text:
            self._pyarmor = any(_PYARMOR + mark in text for mark in _PYARMOR_MARKS)
        if len(self._pye) < len(_PYE_MARKS) and _PYE in text:
            self._pye.update(mark for mark in _PYE_MARKS if mark + _PYE in text)
        self._tail = text[-_LONGEST + 1 :]

    @property
    def tool(self) -> str:
        """The tool that left its marks; empty when there are none."""
        if self._pyarmor:
            return "PyArmor"
        return "SourceDefender" if len(self._pye) == len(_PYE_MARKS) else ""


def may_be_encrypted(name: str, size: int) -> bool:
    """Whether PyPI would look into a member of this name and size."""
    return name.lower().endswith(SUFFIXES) and size <= MAX_SIZE
