#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Writes manual pages from what the programs say about themselves.

    Scripts/packaging/manual.py commands DIRECTORY SECTION VERSION DATE < PROGRAM --experimental-dump-help
    Scripts/packaging/manual.py settings DIRECTORY VERSION DATE < cloudlet config --format json

The first form writes a page for a program and each of its subcommands, the second one cloudlet.yaml(5).
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGES = {"cloudlet": 1, "cloudlet-find": 1, "cloudlet-node": 8, "cloudlet.yaml": 5}

Help = dict[str, Any]

SETTINGS = """
The configuration file of cloudlet-node(8) is written in YAML. A setting 'a.b-c' is the entry 'b-c' under 'a'. The
variable CLOUDLET_A_B_C overrides the file, and an option of cloudlet-node overrides both. A list is written as [A,
B], in a variable as A,B. Unknown keys and invalid values are errors. A key without a value leaves its setting as it
is.

After SIGHUP ('systemctl reload cloudlet-node'), the node reads the file again and applies the settings that are
reloadable. The others apply when it starts again.

'cloudlet config --origin' lists the values in use with their sources, and 'cloudlet config --template' prints a file
with all settings commented out.
"""


def escaped(text: str) -> str:
    """Text for roff: no character of it has a special meaning, and hyphens can be copied."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    return "\n".join(("\\&" + line if line[:1] in (".", "'") else line) for line in text.split("\n"))


def bold(text: str) -> str:
    return f"\\fB{escaped(text)}\\fR"


def italic(text: str) -> str:
    return f"\\fI{escaped(text)}\\fR"


def paragraphs(text: str) -> list[str]:
    """A text whose paragraphs are separated by empty lines."""
    lines: list[str] = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        lines += [".PP", escaped(" ".join(paragraph.split()))]
    return lines


def header(name: str, section: int, version: str, date: str, purpose: str) -> list[str]:
    return [
        f'.TH {escaped(name.upper())} {section} "{date}" "cloudlet {version}" "Cloudlet"',
        ".SH NAME",
        f"{escaped(name)} \\- {escaped(purpose.rstrip('.'))}",
    ]


def spelling(argument: Help) -> str:
    """An argument as it is shown in the list of options."""
    value = italic(argument["valueName"])
    if argument["kind"] == "positional":
        return value
    names = [("-" if name["kind"] == "short" else "--") + name["name"] for name in argument["names"]]
    return ", ".join(bold(name) for name in names) + (f" {value}" if argument["kind"] == "option" else "")


def synopsis(argument: Help) -> str:
    """An argument as it is shown in the synopsis."""
    if argument["kind"] == "positional":
        text = italic(argument["valueName"])
        if argument.get("parsingStrategy") == "postTerminator":
            return f"[{bold('--')} {text} ...]"
    else:
        name = argument["preferredName"]
        text = bold(("-" if name["kind"] == "short" else "--") + name["name"])
        text += f" {italic(argument['valueName'])}" if argument["kind"] == "option" else ""
    if argument["isRepeating"]:
        text += " ..."
    return f"[{text}]" if argument["isOptional"] else text


def described(argument: Help) -> list[str]:
    """An argument with its meaning, values and default."""
    meaning = " ".join(part.strip() for part in (argument.get("abstract"), argument.get("discussion")) if part)
    facts = []
    values = argument.get("allValues") or []
    if values and not all(value in meaning for value in values):
        facts.append("Values: " + ", ".join(values) + ".")
    if argument.get("defaultValue") and argument["kind"] != "flag":
        facts.append(f"Default: {argument['defaultValue']}.")
    return [".TP", spelling(argument), escaped(" ".join([meaning, *facts]))]


def exit_status() -> list[str]:
    """The table of exit codes of the README."""
    rows = re.findall(r"^\|(?: \d+ \|[^|]+\|)+.*$", (ROOT / "README.md").read_text(), re.MULTILINE)
    codes: dict[int, str] = {}
    for row in rows:
        cells = [cell.strip() for cell in row.strip("|").split("|")]
        codes |= {int(code): meaning for code, meaning in zip(cells[::2], cells[1::2], strict=True) if code}
    if not codes:
        raise SystemExit("manual: README.md has no table of exit codes")
    lines = [".SH EXIT STATUS"]
    for code, meaning in sorted(codes.items()):
        lines += [".TP", f"\\fB{code}\\fR", escaped(meaning)]
    return lines


def see_also(name: str, others: dict[str, int]) -> list[str]:
    pages = [f"{bold(other)}({section})" for other, section in sorted(others.items()) if other != name]
    return [".SH SEE ALSO", ",\n".join(pages)]


def environment(program: str) -> list[str]:
    lines = [".SH ENVIRONMENT", ".TP", bold("CLOUDLET_HOME")]
    home = "The directory of the program's state. Default: $XDG_DATA_HOME/cloudlet, or ~/.local/share/cloudlet"
    lines.append(escaped(home + ("." if program == "cloudlet-find" else "; for the system service /var/lib/cloudlet.")))
    if program != "cloudlet-find":
        lines += [".TP", bold("CLOUDLET_*"), escaped("Settings of the node; see cloudlet.yaml(5).")]
    return lines


def command_page(command: Help, parents: list[str], section: int, version: str, date: str) -> tuple[str, str]:
    """The name and the text of the page of one command."""
    words = [*parents, command["commandName"]]
    name = "-".join(words)
    shown = [argument for argument in command.get("arguments") or [] if argument["shouldDisplay"]]
    subcommands = [item for item in command.get("subcommands") or [] if is_shown(item)]
    lines = header(name, section, version, date, command["abstract"])
    usage = " ".join(synopsis(argument) for argument in shown)
    lines += [".SH SYNOPSIS", bold(" ".join(words)) + " " + usage]
    if subcommands:
        lines += [".br", f"{bold(' '.join(words))} {italic('command')} [{italic('argument')} ...]"]
    lines += [".SH DESCRIPTION", *paragraphs(command["abstract"] + "\n\n" + (command.get("discussion") or ""))]
    aliases = command.get("aliases") or []
    if aliases:
        lines += paragraphs("Other names of this command: " + ", ".join(aliases) + ".")
    if subcommands:
        lines.append(".SH COMMANDS")
        for item in subcommands:
            page = f"{name}-{item['commandName']}"
            lines += [".TP", f"{bold(page)}({section})", escaped(item["abstract"])]
    for title, kinds in (("ARGUMENTS", ["positional"]), ("OPTIONS", ["option", "flag"])):
        items = [argument for argument in shown if argument["kind"] in kinds]
        if items:
            lines += [f".SH {title}"] + [line for argument in items for line in described(argument)]
    others = dict(PAGES)
    if parents:
        others = {"-".join(parents): section, "cloudlet.yaml": 5}
    lines += environment(words[0]) + exit_status() + see_also(name, others)
    return f"{name}.{section}", "\n".join(lines) + "\n"


def is_shown(command: Help) -> bool:
    return bool(command.get("shouldDisplay", True)) and command["commandName"] != "help"


def commands(directory: Path, section: int, version: str, date: str) -> None:
    root = json.load(sys.stdin)["command"]

    def write(command: Help, parents: list[str]) -> None:
        name, text = command_page(command, parents, section, version, date)
        (directory / name).write_text(text)
        for item in command.get("subcommands") or []:
            if is_shown(item):
                write(item, [*parents, command["commandName"]])

    write(root, [])


def settings(directory: Path, version: str, date: str) -> None:
    entries = json.load(sys.stdin)
    lines = header("cloudlet.yaml", 5, version, date, "settings of cloudlet-node")
    lines += [
        ".SH DESCRIPTION",
        *paragraphs(SETTINGS),
        ".SH SETTINGS",
    ]
    for entry in entries:
        default = f"Default: {entry['default']}." if entry["default"] else "Default: empty."
        reload = "Reloadable." if entry["reloadable"] == "yes" else "Applies at the next start."
        meaning = entry["help"][:1].upper() + entry["help"][1:]
        lines += [".TP", bold(entry["key"]), escaped(f"{meaning}. Value: {entry['accepted']}. {default} {reload}")]
    example = "name: Kitchen\ninterfaces: [eth0, wlan0]\nsession:\n  lease: 60\n  keep-vms: true"
    lines += [".SH EXAMPLE", ".nf", escaped(example), ".fi", ".SH FILES"]
    files = {
        "/etc/cloudlet/cloudlet.yaml": "of the system service, unless /var/lib/cloudlet/cloudlet.yaml exists",
        "CLOUDLET_HOME/cloudlet.yaml": "of every other node",
    }
    for path, meaning in files.items():
        lines += [".TP", italic(path), escaped(meaning)]
    lines += see_also("cloudlet.yaml", PAGES)
    (directory / "cloudlet.yaml.5").write_text("\n".join(lines) + "\n")


def main() -> None:
    match sys.argv[1:]:
        case ["commands", directory, section, version, date]:
            commands(Path(directory), int(section), version, date)
        case ["settings", directory, version, date]:
            settings(Path(directory), version, date)
        case _:
            raise SystemExit(__doc__)


if __name__ == "__main__":
    main()
