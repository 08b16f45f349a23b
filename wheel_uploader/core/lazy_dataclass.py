"""The decorator ``dataclass`` for frozen classes with slots, whose methods are compiled when they are needed.

``dataclasses`` compiles six methods for each class, which takes half a millisecond. For the 170 classes that
a short run imports, that was a sixth of its time, and most of them get no instance. Here a class has its
fields at once, and gets the methods that ``dataclasses`` generates when one is called for the first time.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, slots: bool = False, kw_only: bool = False, order: bool = False):
        """Return a decorator like that of ``dataclasses``, for classes with ``frozen`` and ``slots``."""
        standard = dataclasses.dataclass(frozen=frozen, slots=slots, kw_only=kw_only, order=order)

        def decorate(cls):
            inherits_fields = any(map(dataclasses.is_dataclass, cls.__bases__))
            return standard(cls) if order or inherits_fields else _prepare(cls, kw_only=kw_only)

        return decorate if frozen and slots else standard


#: Most classes are only instantiated: comparing and printing have separate templates.
_GROUPS = (("__init__",), ("__repr__", "__eq__", "__hash__"))


class _Blueprint:
    """The source of the methods that are generated: the namespace of a class before it had slots."""

    def __init__(self, cls: type[Any], *, kw_only: bool) -> None:
        self.name = cls.__name__
        self.bases = cls.__bases__
        self.namespace = {name: value for name, value in vars(cls).items() if name not in _OF_EACH_CLASS}
        self.kw_only = kw_only

    def generate(self, group: tuple[str, ...]) -> dict[str, Any]:
        """Return the methods of a group, without those that the class defines itself."""
        template: type[Any] = type(self.name, self.bases, self.namespace)
        makes_init = "__init__" in group
        dataclasses.dataclass(
            frozen=True, kw_only=self.kw_only, init=makes_init, repr=not makes_init, eq=not makes_init
        )(template)
        return {name: vars(template)[name] for name in group if name not in self.namespace}


#: Descriptors that each class without slots makes for itself.
_OF_EACH_CLASS = frozenset({"__dict__", "__weakref__"})
_blueprints: dict[type[Any], _Blueprint] = {}


def _prepare(cls: type[Any], *, kw_only: bool) -> type[Any]:
    """Return the class with its fields and slots, and with methods that replace themselves."""
    blueprint = _Blueprint(cls, kw_only=kw_only)
    prepared: type[Any] = dataclasses.dataclass(
        init=False, repr=False, eq=False, slots=True, kw_only=kw_only
    )(cls)
    # Otherwise a class that inherits from it could not be frozen.
    prepared.__dataclass_params__.frozen = True
    for name, method in _METHODS.items():
        if name not in blueprint.namespace:
            setattr(prepared, name, method)
    _blueprints[prepared] = blueprint
    return prepared


def _generating(name: str, group: tuple[str, ...]) -> Any:
    """Return a method that generates the group of methods, and calls the one that replaces it."""

    def method(self: Any, *arguments: Any, **keywords: Any) -> Any:
        # A second thread may do the same at this moment, with the same result.
        prepared = next(base for base in type(self).__mro__ if base in _blueprints)
        for generated_name, generated in _blueprints[prepared].generate(group).items():
            setattr(prepared, generated_name, generated)
        return getattr(prepared, name)(self, *arguments, **keywords)

    return method


def _refuse_assignment(_: object, name: str, __: object) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")


def _refuse_deletion(_: object, name: str) -> NoReturn:
    raise dataclasses.FrozenInstanceError(f"cannot delete field {name!r}")


def _get_state(self: Any) -> list[Any]:
    return [getattr(self, field.name) for field in dataclasses.fields(self)]


def _set_state(self: Any, state: list[Any]) -> None:
    for field, value in zip(dataclasses.fields(self), state, strict=True):
        object.__setattr__(self, field.name, value)


_METHODS = {
    **{name: _generating(name, group) for group in _GROUPS for name in group},
    "__setattr__": _refuse_assignment,
    "__delattr__": _refuse_deletion,
    "__getstate__": _get_state,
    "__setstate__": _set_state,
}
