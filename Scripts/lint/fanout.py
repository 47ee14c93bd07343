#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Reports files below Sources that name the types of too many other files.

A file depends on another one, of its own target or of another, when it names a type, a protocol or a type alias that
the other one declares at its top level. A file with many dependencies is affected by most changes.

    Scripts/lint/fanout.py         the files above the limit
    Scripts/lint/fanout.py 15      the files above another limit, with the names

The exit status is 1 when a file is above the limit.
"""

from __future__ import annotations

import re
import sys
from collections import defaultdict
from pathlib import Path

from cycles import ROOT, TYPE_KINDS, WORD, plain, top_level

# The largest allowed number of other files whose types a file names.
LIMIT = 25


def fan_outs(sources: Path) -> dict[str, set[str]]:
    """For each file, the types of other files that it names, one for each of these files."""
    texts = {str(path.relative_to(sources)): plain(path.read_text()) for path in sorted(sources.rglob("*.swift"))}
    owners: dict[str, set[str]] = defaultdict(set)
    for name, text in texts.items():
        for kind, declared in top_level(text):
            if kind in TYPE_KINDS:
                owners[declared].add(name)
    result: dict[str, set[str]] = {}
    for name, text in texts.items():
        target = name.split("/")[0]
        body = re.sub(r"^(?:\w+ )?import .*$", "", text, flags=re.MULTILINE)
        homes: dict[str, str] = {}
        for word in set(WORD.findall(body)) & owners.keys():
            # A name that several targets declare refers to the declaration in the file's own target.
            near = {home for home in owners[word] if home.split("/")[0] == target} or owners[word]
            if name not in near:
                homes[min(near)] = word
        result[name] = set(homes.values())
    return result


def main() -> int:
    limit = int(sys.argv[1]) if len(sys.argv) > 1 else LIMIT
    status = 0
    for name, types in sorted(fan_outs(ROOT / "Sources").items(), key=lambda entry: -len(entry[1])):
        if len(types) > limit:
            status = 1
            print(f"fanout: Sources/{name} names types of {len(types)} other files, at most {limit} are wanted")
            print(f"    {', '.join(sorted(types))}")
    return status


if __name__ == "__main__":
    sys.exit(main())
