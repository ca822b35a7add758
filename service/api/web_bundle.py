"""Bundles the page's modules into one script, so that a browser sends one request instead of fifty.

Each module becomes a function that is called once, after those that it imports. The few forms of `import` and `export`
that the modules use are rewritten; another form is an error, and so is a circle of imports.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping

_IMPORT = re.compile(r"""(?:^|(?<=[;}]))import\s*\{([^}]*)\}\s*from\s*['"](\.[^'"]+)['"];?""", re.MULTILINE)
_DECLARED = re.compile(r"^export ((?:async )?function|const|class) (\w+)", re.MULTILINE)
_LISTED = re.compile(r"(?:^|(?<=[;}]))export\s*\{([^}]*)\};?", re.MULTILINE)
_SOURCE_MAP = re.compile(r"^//# sourceMappingURL=.*$", re.MULTILINE)
_LEFT = re.compile(r"(?:^|(?<=[;}]))(?:export\b|import\s*[^\s(.]).*", re.MULTILINE)


class NotBundled(ValueError):
    """A module has a form of `import` or `export` that this file does not know, or imports in a circle."""


def bundle(modules: Mapping[str, str], start: str) -> str:
    """The text of the module `start` and of all that it imports, by their paths."""
    done: dict[str, dict[str, str]] = {}
    parts: list[str] = []

    def add(path: str, above: tuple[str, ...]) -> None:
        if path in above:
            raise NotBundled(f"a circle of imports: {' > '.join((*above, path))}")
        if path in done:
            return
        text = modules[path]
        for found in _IMPORT.finditer(text):
            add(_target(path, found[2]), (*above, path))
        parts.append(_function(path, text, done))

    add(start, ())
    return "\n".join(parts)


def _target(path: str, named: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), named))


def _function(path: str, text: str, done: dict[str, dict[str, str]]) -> str:
    """The module as a constant with what it exports. Notes the exported names in `done`."""

    def taken(found: re.Match[str]) -> str:
        target, names = _target(path, found[2]), _pairs(found[1])
        if missing := sorted(set(names) - set(done[target])):
            raise NotBundled(f"{path}: {target} exports no {missing[0]}")
        listed = ", ".join(f"{name}: {own}" if name != own else name for name, own in names.items())
        return f"const {{ {listed} }} = {_constant(target)};"

    exports = {name: name for _kind, name in _DECLARED.findall(text)}
    for listed in _LISTED.findall(text):
        exports |= {shown: own for own, shown in _pairs(listed).items()}
    text = _LISTED.sub("", _DECLARED.sub(r"\1 \2", _IMPORT.sub(taken, _SOURCE_MAP.sub("", text))))
    if (left := _LEFT.search(text)) is not None:
        raise NotBundled(f"{path}: {left[0][:100]}")
    done[path] = exports
    given = ", ".join(f"{shown}: {own}" if shown != own else shown for shown, own in exports.items())
    return f"// {path}\nconst {_constant(path)} = (() => {{\n{text}\nreturn {{ {given} }};\n}})();"


def _pairs(names: str) -> dict[str, str]:
    """Each name in the list, and its alias."""
    both = [one.split(" as ") for one in (part.strip() for part in names.split(",")) if one]
    return {one[0].strip(): one[-1].strip() for one in both}


def _constant(path: str) -> str:
    return "of_" + re.sub(r"\W", "_", path)
