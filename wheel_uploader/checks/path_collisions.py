"""Find files and directories of an archive that are one and the same on some file systems."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from wheel_uploader.core.budget import Budget

#: Longest path whose directories are compared one by one; of a longer one, only the whole path is.
_MAX_LENGTH = 300
#: Bytes of memory for a directory, in addition to its path.
_MEMORY_PER_DIRECTORY = 300


def find_path_collisions(
    paths: Iterable[str], fold: Callable[[str], str], budget: Budget
) -> Iterator[tuple[str, str]]:
    """Yield each path that ``fold`` makes equal to an earlier, different one, together with that one.

    Of a directory that collides, only its own path is yielded and not those of the files in it. Raises
    BudgetExceeded if there are too many directories.
    """
    names = [path.rstrip("/") for path in paths]
    distinct = _list_directories(names, budget).union(names)
    # Almost no archive has collisions, and this takes a third of the time of looking for them in order.
    if len({fold(path) for path in distinct}) == len(distinct):
        return
    first_of_folded: dict[str, str] = {}
    #: The directories that were compared, and whether they or those above them collide.
    collides: dict[str, bool] = {}
    for name in names:
        for path in _list_new_paths(name, collides):
            parent = path.rpartition("/")[0]
            if collides.get(parent, False):
                collides[path] = True
                continue
            first = first_of_folded.setdefault(fold(path), path)
            collides[path] = first != path
            if first != path:
                yield path, first


def _list_directories(names: list[str], budget: Budget) -> set[str]:
    """Return the directories above ``names``, of which a hostile archive may have millions."""
    directories = {""}
    for name in names:
        path = name if len(name) <= _MAX_LENGTH else ""
        while (path := path.rpartition("/")[0]) not in directories:
            budget.count_work()
            budget.reserve_memory(len(path) + _MEMORY_PER_DIRECTORY)
            directories.add(path)
    directories.discard("")
    return directories


def _list_new_paths(path: str, known: dict[str, bool]) -> list[str]:
    """Return ``path`` and the directories above it that are not in ``known``, outermost first."""
    if len(path) > _MAX_LENGTH:
        return [path]
    paths = []
    while path and path not in known:
        paths.append(path)
        path = path.rpartition("/")[0]
    return paths[::-1]
