"""YAML files with the line of every field, so that a fault can be pointed at."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml
from yaml.constructor import SafeConstructor

from dafeng.base.finding import Finding, Location

__all__ = ["YamlDocument", "read_yaml"]

FieldPath = tuple[str | int, ...]
_Loader: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlDocument:
    """Data of a YAML file together with the line of each field.

    Parameters
    ----------
    file : str
        Name for messages.
    data : object
    lines : mapping from field path to line, counted from 1
    """

    def __init__(self, file: str, data: Any, lines: dict[FieldPath, int]) -> None:
        self.file = file
        self.data = data
        self.lines = lines

    def where(self, path: FieldPath) -> Location:
        """Return the location of a field, or of the nearest field above it that has a line."""
        shown = ".".join(str(part) for part in path)
        while path and path not in self.lines:
            path = path[:-1]
        return Location(file=self.file, line=self.lines.get(path), field=shown)


def read_yaml(path: Path, *, name: str | None = None) -> tuple[YamlDocument | None, list[Finding]]:
    """Read one YAML file with safe tags only.

    Parameters
    ----------
    path : Path
    name : str, optional
        Name for messages; the path's own where None.

    Returns
    -------
    document : YamlDocument or None
        None where the file is no YAML.
    findings : list of Finding
        Syntax faults, keys given twice, and files that are not UTF-8.
    """
    name = name or str(path)
    try:
        text = path.read_text(encoding="utf-8")
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
    except UnicodeDecodeError as error:
        return None, [_fault(name, "catalog.yaml.encoding", f"文件不是 UTF-8 编码（第 {error.start} 字节）", None)]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        problem = getattr(error, "problem", None) or str(error)
        return None, [_fault(name, "catalog.yaml.syntax", f"YAML 语法错误：{problem}", mark and mark.line + 1)]
    lines: dict[FieldPath, int] = {}
    findings: list[Finding] = []
    constructor = SafeConstructor()

    def build(node: yaml.Node, path: FieldPath) -> Any:
        lines[path] = node.start_mark.line + 1
        if isinstance(node, yaml.MappingNode):
            mapping: dict[Any, Any] = {}
            for key_node, value_node in node.value:
                key = constructor.construct_object(key_node, deep=True)
                if isinstance(key, bool) and isinstance(key_node, yaml.ScalarNode):
                    key = key_node.value  # `on:` is a field name here, not a truth value
                elif not isinstance(key, str | int):
                    key = str(key)
                if key in mapping:
                    findings.append(
                        _fault(name, "catalog.yaml.duplicate-key", f"字段 {key} 出现两次", key_node.start_mark.line + 1)
                    )
                mapping[key] = build(value_node, (*path, key))
            return mapping
        if isinstance(node, yaml.SequenceNode):
            return [build(child, (*path, index)) for index, child in enumerate(node.value)]
        try:
            return constructor.construct_object(node, deep=True)
        except (yaml.YAMLError, ValueError) as error:
            findings.append(_fault(name, "catalog.yaml.value", f"值无法读取：{error}", node.start_mark.line + 1))
            return None

    data = None if node is None else build(node, ())
    return YamlDocument(name, data, lines), findings


def _fault(file: str, name: str, sentence: str, line: int | None) -> Finding:
    return Finding(
        name=name,
        sentence=sentence,
        where=Location(file=file, line=line),
        next_step="按提示修改该文件后重新运行 catalog check",
    )
