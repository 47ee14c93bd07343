#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Reports cycles between the folders, and between the files, of each target below Sources.

A file depends on another one of its target when it names a type, a protocol, a type alias or a function that only the
other one declares at its top level, or a member that the other one adds to a foreign type. A type and the files that
extend it (`Type+Part.swift`, or a file whose main subject is the extension) count as one, because names in other files
don't show which of them is meant.

    Scripts/lint/cycles.py                every target
    Scripts/lint/cycles.py CloudletWire   some targets
    Scripts/lint/cycles.py --graph ...    also print the names by which files depend on each other

The exit status is 1 when a cycle exists that ALLOWED does not name, or when ALLOWED names one that does not exist.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Permitted cycles, as (target, files or folders in alphabetical order), each with the reason.
ALLOWED: dict[tuple[str, ...], str] = {}

STRING = re.compile(r'"""[\s\S]*?"""|#"(?:[^"]|"(?!#))*"#|"(?:\\.|[^"\\\n])*"')
COMMENT = re.compile(r"//[^\n]*|/\*[\s\S]*?\*/")
DECLARATION = re.compile(
    r"^(?:@\w+(?:\([^)]*\))?\s+)*"
    r"(?:(?:public|package|internal|final|indirect|nonisolated|distributed)(?:\([a-z]+\))?\s+)*"
    r"(struct|class|enum|actor|protocol|typealias|func|let|var|extension)\s+`?([A-Za-z_][\w.]*)",
    re.MULTILINE,
)
WORD = re.compile(r"(?<![\w.])([A-Za-z_]\w*)")
TYPE_KINDS = {"struct", "class", "enum", "actor", "protocol", "typealias"}


class Unit:
    """A file, or the file of a type together with the files that extend the type."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.declared: set[str] = set()
        self.words: set[str] = set()


def plain(text: str) -> str:
    """The source without comments and without the literal parts of strings; interpolated expressions stay."""

    def interpolations(match: re.Match[str]) -> str:
        return " " + " ".join(re.findall(r"\\\(((?:[^()]|\([^()]*\))*)\)", match.group(0))) + " "

    text = re.sub(r'"""[\s\S]*?"""', interpolations, text)
    lines = []
    for line in text.split("\n"):
        # A string may contain `//`, a comment may contain quotes: the one that begins first counts.
        result = ""
        while line:
            string, comment = STRING.search(line), COMMENT.search(line)
            if comment and (not string or comment.start() < string.start()):
                line = line[: comment.start()]
            elif string:
                result += line[: string.start()] + interpolations(string)
                line = line[string.end() :]
                continue
            result += line
            break
        lines.append(result)
    return "\n".join(lines)


def top_level(text: str) -> list[tuple[str, str]]:
    """The declarations that begin in the first column, as kind and name, except private ones, which no other file can
    use."""
    return [(match.group(1), match.group(2).split(".")[0]) for match in DECLARATION.finditer(text)]


def units_of(target: Path) -> dict[str, Unit]:
    """The units of a target by the path of their main file."""
    files = {str(path.relative_to(target)): plain(path.read_text()) for path in sorted(target.rglob("*.swift"))}
    declarations = {name: top_level(text) for name, text in files.items()}
    owner: dict[str, str] = {}
    for name, found in declarations.items():
        for kind, declared in found:
            if kind in TYPE_KINDS:
                owner.setdefault(declared, name)

    def main_of(name: str) -> str:
        stem = Path(name).stem.split("+")[0]
        home = owner.get(stem)
        if "+" in name and home:
            return home
        kinds = declarations[name]
        # A file that contains only extensions of one type of this target belongs to that type.
        extended = {declared for kind, declared in kinds if kind == "extension"}
        if kinds and all(kind == "extension" for kind, _ in kinds) and len(extended) == 1:
            return owner.get(next(iter(extended)), name)
        return name

    units: dict[str, Unit] = {}
    for name, text in files.items():
        main = main_of(name)
        unit = units.setdefault(main, Unit(main))
        unit.declared |= {declared for kind, declared in declarations[name] if kind != "extension"}
        unit.words |= set(WORD.findall(text))
    return units


def dependencies(units: dict[str, Unit]) -> dict[str, dict[str, set[str]]]:
    """For each unit, the units that it depends on, each with the names that it uses."""
    declared_in: dict[str, list[str]] = defaultdict(list)
    for unit in units.values():
        for name in unit.declared:
            declared_in[name].append(unit.name)
    edges: dict[str, dict[str, set[str]]] = {name: defaultdict(set) for name in units}
    for unit in units.values():
        for word in unit.words - unit.declared:
            homes = declared_in.get(word, [])
            # A name that several files declare shows no dependency, nor does one in lower case: it may be any member.
            if len(homes) == 1 and homes[0] != unit.name and word[0].isupper():
                edges[unit.name][homes[0]].add(word)
    return edges


def components(edges: dict[str, dict[str, set[str]]]) -> list[list[str]]:
    """The strongly connected components with more than one member (Tarjan)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    result: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        on_stack.add(node)
        for other in edges.get(node, {}):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on_stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            component = []
            while True:
                member = stack.pop()
                on_stack.discard(member)
                component.append(member)
                if member == node:
                    break
            if len(component) > 1:
                result.append(sorted(component))

    sys.setrecursionlimit(10_000)
    for node in sorted(edges):
        if node not in index:
            visit(node)
    return sorted(result)


def folders(edges: dict[str, dict[str, set[str]]]) -> dict[str, dict[str, set[str]]]:
    """The dependencies between folders, without files that are in no folder."""
    result: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for source, targets in edges.items():
        for target, names in targets.items():
            one, other = str(Path(source).parent), str(Path(target).parent)
            if one != other and "." not in (one, other):
                result[one][other] |= names
    return result


def describe(component: list[str], edges: dict[str, dict[str, set[str]]]) -> str:
    lines = []
    for source in component:
        for target in component:
            names = edges.get(source, {}).get(target)
            if source != target and names:
                lines.append(f"    {source} -> {target}: {', '.join(sorted(names))}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Report cycles between folders and files of the targets.")
    parser.add_argument("--graph", action="store_true", help="print what names what as well")
    parser.add_argument("targets", nargs="*", help="targets below Sources; default all")
    options = parser.parse_args()
    targets = [ROOT / "Sources" / name for name in options.targets] or sorted((ROOT / "Sources").iterdir())
    found: set[tuple[str, ...]] = set()
    status = 0
    for target in targets:
        edges = dependencies(units_of(target))
        if options.graph:
            for source in sorted(edges):
                for other, names in sorted(edges[source].items()):
                    print(f"{target.name}: {source} -> {other}: {', '.join(sorted(names))}")
        for what, graph in (("folders", folders(edges)), ("files", edges)):
            for component in components(graph):
                key = (target.name, *component)
                found.add(key)
                if key not in ALLOWED:
                    status = 1
                    print(f"cycles: {target.name}: {what} {', '.join(component)}\n{describe(component, graph)}")
    for key in ALLOWED:
        if not options.targets and key not in found:
            status = 1
            print(f"cycles: ALLOWED names a cycle that is gone: {' '.join(key)}")
    return status


if __name__ == "__main__":
    sys.exit(main())
