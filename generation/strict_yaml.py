"""Configuration files: YAML read strictly, checked by a pydantic model, refused in one clear line.

YAML 1.1 turns ``no`` into False, ``0123`` into 83, ``1:30`` into 90, ``1e-3`` into text, and keeps the last
of two equal keys. Here only true/false, decimal numbers (1e-3 among them), null and text exist, close to the
YAML 1.2 core schema (yaml.org/spec/1.2.2, section 10.3), and a key may stand once.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from generation.errors import ConfigError

Model = TypeVar("Model", bound=BaseModel)

_SHOWN_ERRORS = 4
_SHOWN_CHARACTERS = 60
_PLAIN_WORDS = (
    ("a valid array", "a list"),
    ("an object", "a mapping of keys"),
    ("a valid string", "text"),
    ("a valid boolean", "true or false"),
    ("a valid integer", "a whole number"),
    ("a valid number", "a number"),
)


class StrictModel(BaseModel):
    """A pydantic model for configuration: unknown keys, NaN and infinity refused, values fixed once read."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with the YAML 1.2 core schema and no repeated keys."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key {key!r} is not text; put it in quotes", key_node.start_mark
                )
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' stands twice; keep one", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    """The loader's counterpart: quotes whatever the loader would not read back as text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    # PyYAML writes these line breaks raw into other styles and then reads them back as spaces.
    style = '"' if any(break_ in text for break_ in "\x85\u2028\u2029") else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)
_CORE_SCHEMA = {
    "bool": (r"true|True|false|False", "tTfF"),
    "int": (r"[-+]?(?:0|[1-9][0-9]*)", "-+0123456789"),
    "float": (
        r"[-+]?(?:(?:0|[1-9][0-9]*)(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan",
        "-+.0123456789",
    ),
    "null": (r"null|Null|~|", ["n", "N", "~", ""]),
}
for _tag, (_pattern, _first) in _CORE_SCHEMA.items():
    for _side in (_Loader, _Dumper):
        _side.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(f"^(?:{_pattern})$"), list(_first))


def load_yaml(path: Path | str, model: type[Model]) -> Model:
    """Read one YAML file into ``model``.

    Types are strict: a number in quotes is text, a list may fill a tuple, text may fill a Path.
    Raises ConfigError (one line: file, key, what came, what is needed, the nearest name).
    """
    return validate(read_yaml(path), model, str(path))


def read_yaml(path: Path | str) -> dict[str, Any]:
    """Return the mapping a YAML file holds, unchecked but for YAML itself. Raises ConfigError."""
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such file") from None
    except IsADirectoryError:
        raise ConfigError(f"{path}: is a folder; a YAML file is needed") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is not text in UTF-8; a YAML file is needed") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from error
    content = _parse(text, str(path))
    if not isinstance(content, dict):
        came = "is empty" if content is None else f"holds {_show(content)}"
        raise ConfigError(f"{path}: {came}; lines of 'key: value' are needed")
    return content


def parse_value(text: str, where: str) -> Any:
    """Return what ``text`` means as one YAML value, as after ``key:`` in a file (for --set key=value)."""
    return _parse(text, where)


def validate(content: Mapping[str, Any], model: type[Model], where: str) -> Model:
    """Check a mapping read from YAML against ``model``; ``where`` is its origin, named in the ConfigError."""
    try:
        # JSON mode is the strict mode made for files: no "3" for 3 and no true for 1, yet lists fill tuples.
        document = json.dumps(content, default=os.fspath)
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigError(f"{where}: only text, numbers, true, false, lists and keys fit here ({error})") from None
    try:
        return model.model_validate_json(document, strict=True, extra="forbid")
    except ValidationError as error:
        # Unknown keys first: a misspelt key is also why another one is missing.
        problems = sorted(error.errors(include_url=False), key=lambda each: each["type"] != "extra_forbidden")
        lines = [_sentence(dict(problem), model) for problem in problems[:_SHOWN_ERRORS]]
        if len(problems) > _SHOWN_ERRORS:
            lines.append(f"and {len(problems) - _SHOWN_ERRORS} more")
        raise ConfigError(f"{where}: {'; '.join(lines)}") from None


def dump_yaml(content: Mapping[str, Any]) -> str:
    """Return plain data as YAML text that `read_yaml` reads back equal; keys keep their order."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100, default_flow_style=False)


def nearest_name(name: str, known: Iterable[str]) -> str | None:
    """Return the name of ``known`` that ``name`` most likely meant, or None when nothing is near."""
    folded = {candidate.casefold(): candidate for candidate in known}
    found = difflib.get_close_matches(name.casefold(), list(folded), n=1, cutoff=0.6)
    return folded[found[0]] if found else None


def unknown_name(what: str, name: str, known: Iterable[str]) -> str:
    """Return the sentence for an unknown name: what came, the nearest name, and all names there are."""
    names = sorted(known)
    near = nearest_name(name, names)
    hint = f"; did you mean '{near}'?" if near else ""
    return f"there is no {what} '{name}'{hint} (known: {', '.join(names) or 'none'})"


def _parse(text: str, where: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # a SafeLoader: no tag can build an object
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f" line {mark.line + 1}, column {mark.column + 1}:" if mark else ""
        raise ConfigError(f"{where}:{place} {_one_line(error.problem or 'is not YAML')}") from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{where}: is not YAML: {_one_line(str(error))}") from None
    except RecursionError:
        raise ConfigError(f"{where}: is nested too deeply") from None


def _sentence(problem: dict[str, Any], model: type[BaseModel]) -> str:
    location: tuple[str | int, ...] = problem["loc"]
    place = ".".join(str(part) for part in location)
    kind, came = problem["type"], problem["input"]
    if kind == "extra_forbidden":
        keys = sorted(_keys_at(model, location[:-1]))
        near = nearest_name(str(location[-1]), keys)
        hint = f"did you mean '{near}'?" if near else f"keys here: {', '.join(keys)}"
        return f"unknown key '{place}'; {hint}"
    if kind == "missing":
        inside = ".".join(str(part) for part in location[:-1])
        return f"the key '{location[-1]}' is needed" + (f" in '{inside}'" if inside else "")
    if kind in ("literal_error", "enum"):
        expected = str(problem["ctx"]["expected"])
        near = nearest_name(str(came), re.findall(r"'([^']*)'", expected))
        hint = f"; did you mean '{near}'?" if near else ""
        return f"{place} is {_show(came)}; it must be {expected}{hint}"
    if kind in ("value_error", "assertion_error"):
        told = _one_line(str(problem["ctx"]["error"]))
        return f"{place}: {told}" if place else told
    needed = _one_line(problem["msg"]).replace("Input should", "it must")
    for theirs, ours in _PLAIN_WORDS:
        needed = needed.replace(theirs, ours)
    return f"{place or 'the file'} is {_show(came)}; {needed}"


def _keys_at(annotation: Any, location: tuple[str | int, ...]) -> set[str]:
    """Return the keys a mapping at ``location`` may have, over every model the annotation allows there."""
    keys: set[str] = set()
    for model in _models_in(annotation):
        if not location:
            keys |= {field.alias or name for name, field in model.model_fields.items()}
            continue
        for name, field in model.model_fields.items():
            if (field.alias or name) == location[0]:
                # List positions, dictionary keys and union tags are skipped: _models_in looks past them.
                for rest in range(1, len(location) + 1):
                    keys |= _keys_at(field.annotation, location[rest:])
                    if keys:
                        break
    return keys


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models_in(inner)


def _show(value: Any) -> str:
    if value is None:
        return "empty (null)"
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _SHOWN_CHARACTERS else text[: _SHOWN_CHARACTERS - 1] + "…"


def _one_line(text: str) -> str:
    return " ".join(text.split())
