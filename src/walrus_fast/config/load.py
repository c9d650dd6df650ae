"""Reads the configuration file, and remembers on which line each value stands."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import yaml

from walrus_fast.config.address import MetricsAddress
from walrus_fast.config.model import CheckpointConfig, NodeConfig, OwnConfig
from walrus_fast.config.values import ByteRate, Duration, Share
from walrus_fast.errors import ConfigInvalid, storage_error

__all__ = ["LoadedConfig", "Setting", "load_config"]

_MAX_BYTES = 4 << 20
_MAX_WORDS = 500  # of an error that repeats a value
_MAX_NODES = 10_000  # of one key of ours, aliases written out
_SECTIONS: dict[str, type[msgspec.Struct]] = {"checkpoint_config": CheckpointConfig, "walrus_fast": OwnConfig}


@dataclass(frozen=True, slots=True)
class Setting:
    """One value in force: `checkpoint_config.sync`, what it is, and `line 12 of F` or `default`."""

    name: str
    value: object
    source: str


@dataclass(frozen=True, slots=True)
class LoadedConfig:
    """A valid file. `database` is the folder of the main database, found when the file was read; `warnings` are keys
    that look like typing errors but may be the node's own."""

    path: Path
    values: NodeConfig
    database: Path
    settings: tuple[Setting, ...]
    warnings: tuple[str, ...]


def load_config(path: Path) -> LoadedConfig:
    """Read and check a node's configuration file.

    Raises: ConfigInvalid saying what is wrong and where, StorageError.
    """
    root = _parse(path)
    plain = _Plain(path)
    document = plain.mapping(root)
    _refuse_unknown(path, document.get("walrus_fast"), plain.lines)
    known = {name: document[name] for name in NodeConfig.__struct_fields__ if document.get(name) is not None}
    try:
        values = msgspec.convert(known, NodeConfig, dec_hook=_convert)
    except msgspec.ValidationError as exc:
        raise ConfigInvalid(f"{path}: {_in_words(str(exc), plain.lines)}") from exc
    return LoadedConfig(
        path=path,
        values=values,
        database=_database_in(values.storage_path),
        settings=tuple(_settings(values, plain.lines)),
        warnings=tuple(_warnings(document, plain.lines)),
    )


def _database_in(storage_path: Path) -> Path:
    """The node opens `storage_path` itself; where that is no database and `storage_path/db` is one, it is that."""
    below = storage_path / "db"
    if not (storage_path / "CURRENT").exists() and (below / "CURRENT").exists():
        return below
    return storage_path


def _parse(path: Path) -> yaml.MappingNode:
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES + 1)
    except OSError as exc:
        raise storage_error(exc.errno or 0, "read", path) from exc
    if len(text) > _MAX_BYTES:
        raise ConfigInvalid(f"{path} is longer than {_MAX_BYTES} bytes; that is no configuration file")
    try:
        root = yaml.compose(text, yaml.CSafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as exc:
        raise ConfigInvalid(f"{path} is not YAML: {exc}") from exc
    except RecursionError as exc:
        raise ConfigInvalid(f"{path} is nested too deep") from exc
    if not isinstance(root, yaml.MappingNode):
        raise ConfigInvalid(f"{path} does not begin with `key: value`")
    return root


class _Plain:
    """Turns the file's nodes into plain values. The node's own keys may hold tags and anchors that mean nothing to
    us, so only our keys are constructed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._scalars = yaml.SafeLoader("")
        self.lines: dict[str, int] = {}

    def mapping(self, node: yaml.MappingNode) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in node.value:
            name = str(key.value)
            if name not in NodeConfig.__struct_fields__:
                result[name] = None
                continue
            if name in self.lines:
                raise ConfigInvalid(f"{self._path}: line {key.start_mark.line + 1}: {name} stands there twice")
            self._note(name, key)
            result[name] = self._value(value)
            if isinstance(value, yaml.MappingNode):
                for inner, _ in value.value:
                    self._note(f"{name}.{inner.value}", inner)
        return result

    def _note(self, name: str, key: yaml.Node) -> None:
        self.lines[name] = key.start_mark.line + 1

    def _value(self, node: yaml.Node) -> Any:
        try:
            if _nodes(node, {}) > _MAX_NODES:
                raise ConfigInvalid(f"{self._path}: line {node.start_mark.line + 1}: too long, aliases written out")
            return self._scalars.construct_document(node)
        except (yaml.YAMLError, ValueError, RecursionError) as exc:  # ValueError: 2001-99-99, a number of 5000 digits
            raise ConfigInvalid(f"{self._path}: line {node.start_mark.line + 1}: {exc}") from exc


def _nodes(node: yaml.Node, known: dict[int, int]) -> int:
    """How many nodes there are below, and it, with aliases written out: twenty lines can stand for a million."""
    if id(node) not in known:
        known[id(node)] = _MAX_NODES  # an alias of itself, for as long as this one is counted
        inner = node.value if isinstance(node, yaml.CollectionNode) else ()
        parts = [part for pair in inner for part in pair] if isinstance(node, yaml.MappingNode) else inner
        known[id(node)] = 1 + sum(_nodes(part, known) for part in parts)
    return known[id(node)]


def _convert(kind: type, value: Any) -> Any:
    """What msgspec takes as its own errors are ValueErrors only."""
    try:
        if kind is Path:
            return _path(value)
        if kind in (Duration, ByteRate, Share, MetricsAddress):
            return kind.parse(value)
    except (ValueError, OverflowError) as exc:
        words = str(exc)
        raise ValueError(words if len(words) < _MAX_WORDS else f"{words[:_MAX_WORDS]}...") from exc
    raise NotImplementedError(kind)


def _path(value: object) -> Path:
    if not isinstance(value, str) or not value or "\0" in value:
        raise ValueError(f"{value!r} is not a path")
    try:
        return Path(value).expanduser().absolute()
    except RuntimeError as exc:
        raise ValueError(f"{value!r} is in the home of a user who is not known") from exc


def _refuse_unknown(path: Path, section: object, lines: dict[str, int]) -> None:
    if not isinstance(section, dict):
        return
    for name in section:
        if name not in OwnConfig.__struct_fields__:
            shown = str(name)[:60]
            near = difflib.get_close_matches(shown, OwnConfig.__struct_fields__, 1)
            meant = f"; is {near[0]} meant?" if near else f"; it may be {', '.join(OwnConfig.__struct_fields__)}"
            # A key that is a number, or merged from elsewhere, stands on no line under this name.
            line = lines.get(f"walrus_fast.{name}", lines["walrus_fast"])
            raise ConfigInvalid(f"{path}: line {line}: walrus_fast has no key {shown}{meant}")


def _in_words(message: str, lines: dict[str, int]) -> str:
    """`Expected `int` >= 1 - at `$.checkpoint_config.x`` with the line number where there is one."""
    what, _, where = message.partition(" - at `$.")
    name = where.removesuffix("`").partition("[")[0]
    if not name:
        return what
    line = f"line {lines[name]}: " if name in lines else ""
    return f"{line}{name}: {what[:1].lower()}{what[1:]}"


def _settings(values: NodeConfig, lines: dict[str, int]) -> list[Setting]:
    result = []
    for name in NodeConfig.__struct_fields__:
        value = getattr(values, name)
        if name in _SECTIONS:
            for inner in value.__struct_fields__:
                full = f"{name}.{inner}"
                result.append(Setting(full, getattr(value, inner), _source(full, lines)))
        else:
            result.append(Setting(name, value, _source(name, lines)))
    return result


def _source(name: str, lines: dict[str, int]) -> str:
    return f"line {lines[name]}" if name in lines else "default"


def _warnings(document: dict[str, Any], lines: dict[str, int]) -> list[str]:
    found = []
    fields = CheckpointConfig.__struct_fields__
    for name in document.get("checkpoint_config") or {}:
        if name not in fields:
            shown = str(name)[:60]
            near = difflib.get_close_matches(shown, fields, 1)
            meant = f"; is {near[0]} meant?" if near else ""
            where = lines.get(f"checkpoint_config.{name}", lines["checkpoint_config"])
            found.append(f"line {where}: checkpoint_config.{shown} is not known and has no effect{meant}")
    for name in document:
        if name in NodeConfig.__struct_fields__:
            continue
        near = difflib.get_close_matches(name[:60], ("admin_socket_path", "checkpoint_config", "walrus_fast"), 1, 0.85)
        if near:
            found.append(f"{name[:60]} has no effect here; is {near[0]} meant?")
    return found
