"""A layer as plain data and back: what repr, checkpoints and rebuilding know of it are its constructor's arguments."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from minnet.layers.base import Layer


_SAID = {"layer", "own", "as_lists", "frozen"}  # what a description says beside the arguments


def is_own(kind: type) -> bool:
    """Whether the class is its user's and not the library's."""
    return not kind.__module__.startswith("minnet.")


def _parameters(layer: Layer) -> list[inspect.Parameter]:
    """Those of the constructor, but for the random generator."""
    parameters = inspect.signature(type(layer).__init__).parameters
    return [parameter for name, parameter in parameters.items() if name not in ("self", "rng")]


def _keywords(parameter: inspect.Parameter, value: Any) -> dict[str, Any]:
    """What the constructor is given by name for one of its parameters: of **settings each of them."""
    if parameter.kind is not parameter.VAR_KEYWORD:
        return {parameter.name: value}
    return {name: each for name, each in value.items() if name != "rng"}


def config(layer: Layer) -> dict[str, Any]:
    """The class and its constructor arguments, as JSON can hold them. Raises ValueError for an argument that is not
    kept, or is called as one of _SAID."""
    described: dict[str, Any] = {"layer": type(layer).__name__}
    arguments: dict[str, Any] = {}
    given: list[Any] = []
    lists: list[str] = []
    for parameter in _parameters(layer):
        if not hasattr(layer, parameter.name):
            name = parameter.name
            raise ValueError(f"{described['layer']} cannot be described: keep its argument {name} as self.{name}")
        value = getattr(layer, parameter.name)
        keywords = _keywords(parameter, value)
        arguments |= _described(keywords)
        given += _items(value)
        if parameter.kind is not parameter.VAR_POSITIONAL:
            lists += [name for name, each in keywords.items() if isinstance(each, list)]
    if taken := _SAID & arguments.keys():
        name = min(taken)
        raise ValueError(
            f"{described['layer']} cannot be described: call its argument {name} something else, as each description "
            f"has a {name!r}"
        )
    described |= arguments
    if is_own(type(layer)):
        described["own"] = True  # so that one's own ReLU is never rebuilt as the library's
        if lists:  # JSON has no tuples: what it holds comes back as tuples, but for these arguments
            described["as_lists"] = lists
    frozen = list(layer.frozen)
    for name, child in layer.children().items():
        if all(child is not item for item in given):  # an argument is described above, others the constructor makes
            frozen += [place + inner for place, part in child.walk(f"{name}.") for inner in part.frozen]
    if frozen:
        described["frozen"] = frozen
    return described


def _described(value: Any) -> Any:
    """One constructor argument: layers by their config, NumPy's numbers as plain ones, tuples as lists."""
    if isinstance(value, dict):
        return {key: _described(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_described(item) for item in value]
    if hasattr(value, "config") and not isinstance(value, type):
        return value.config()
    return value.item() if isinstance(value, np.generic) else value


def _items(value: Any) -> list[Any]:
    """An argument itself, or what stands in its lists, tuples and dictionaries."""
    if isinstance(value, (list, tuple, dict)):
        return [inner for item in (value.values() if isinstance(value, dict) else value) for inner in _items(item)]
    return [value]


def shown(layer: Layer) -> str:
    """The layer as its constructor would be written, without what is the default anyway."""
    parts = []
    for parameter in _parameters(layer):
        if not hasattr(layer, parameter.name):  # a constructor that refuses its arguments names itself
            continue
        value = getattr(layer, parameter.name)
        if parameter.kind is parameter.VAR_POSITIONAL:
            parts += [repr(item) for item in value]
        elif parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD:
            parts.append(repr(value))
        elif repr(value) != repr(parameter.default):
            parts += [f"{name}={each!r}" for name, each in _keywords(parameter, value).items()]
    return f"{type(layer).__name__}({', '.join(parts)})"


def named(layer: Layer) -> str:
    """The layer in one line: as it is shown, or by its class alone."""
    return type(layer).__name__ if "\n" in repr(layer) else repr(layer)


def expect_output(layer: Layer, y: Any) -> None:
    """Raises ValueError unless the layer's forward returned one array."""
    if y is None:
        raise ValueError(f"{named(layer)}: forward returned None: is its return missing?")
    if not isinstance(y, np.ndarray):
        raise ValueError(f"{named(layer)}: forward returned {type(y).__name__}, where one array is expected")


def expect_array(place: str, array: Any) -> np.ndarray:
    """The parameter or buffer at `place`. Raises ValueError for a number or a list, which nobody can write into."""
    if not isinstance(array, np.ndarray):
        kind = type(array).__name__
        raise ValueError(
            f"'{place}' is of the type {kind}: parameters and buffers are arrays, np.array(..., np.float32)"
        )
    return array


def rebuild(config: dict[str, Any], classes: dict[str, type[Layer]]) -> Layer:
    """The layer that a `config()` describes, with fresh parameters; only `classes` are ever constructed.

    Raises ValueError for an unknown class or arguments that the class does not take.
    """
    if not isinstance(config, dict) or "layer" not in config:
        raise ValueError(f"a layer's description is a dictionary with the key 'layer', got {str(config)[:80]}")
    arguments = dict(config)
    name = arguments.pop("layer")
    frozen, own = tuple(arguments.pop("frozen", ())), arguments.pop("own", False)
    lists = own if isinstance(own, list) else arguments.pop("as_lists", ())  # older checkpoints have them in "own"
    said = str(name)[:80]
    if own and said.isidentifier() and not (name in classes and is_own(classes[name])):
        raise ValueError(f"{said} is not the library's but a class of its own: pass it in classes={{{said!r}: {said}}}")
    if name not in classes:
        raise ValueError(f"unknown layer {said!r}: known are {', '.join(sorted(classes))}")

    def build(value: Any, kind: type = tuple) -> Any:
        if isinstance(value, dict) and "layer" in value:
            return rebuild(value, classes)
        if isinstance(value, dict):
            return {key: build(item, kind) for key, item in value.items()}
        return kind(build(item, kind) for item in value) if isinstance(value, list) else value

    keywords = {key: build(value, list if key in lists else tuple) for key, value in arguments.items()}
    parameters = list(inspect.signature(classes[name].__init__).parameters.values())[1:]  # without self
    positional: list[Any] = []
    try:
        for index, parameter in enumerate(parameters):
            if parameter.kind is parameter.VAR_POSITIONAL:  # what stands before *layers is given by position, too
                ahead = [each.name for each in parameters[:index] if each.name in keywords]
                positional = [*map(keywords.pop, ahead), *keywords.pop(parameter.name, ())]
        layer = classes[name](*positional, **keywords)
    except (TypeError, ValueError) as error:
        raise ValueError(f"cannot rebuild {name} from {str(arguments)[:200]}: {error}") from None
    for place, inner in layer.walk() if frozen else ():
        here = (part[len(place) :] for part in frozen if part.startswith(place))
        inner.frozen = tuple(dict.fromkeys((*inner.frozen, *(part for part in here if "." not in part))))
    return layer
