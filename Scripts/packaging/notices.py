#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Prints the copyright file of a Debian package: the licence of this project, and the licences and notices of all that
is linked statically into its programs.

    Scripts/packaging/notices.py BUILD PROGRAM...

BUILD is the directory with the products of `swift build`.
"""

from __future__ import annotations

import sys
from pathlib import Path

from components import TOOLCHAIN_LICENCE, swift_packages, toolchain

APACHE = "The full text of the Apache License 2.0 is in /usr/share/common-licenses/Apache-2.0."


def section(title: str) -> str:
    return f"\n{'-' * 78}\n{title}\n"


def without_apache_text(text: str) -> str:
    """The text without the body of the Apache License, which each Debian system has already."""
    begin, end = text.find("TERMS AND CONDITIONS FOR USE"), text.find("END OF TERMS AND CONDITIONS")
    if begin < 0 or end < 0:
        return text
    return text[:begin] + "[terms and conditions: see /usr/share/common-licenses/Apache-2.0]\n\n    " + text[end:]


def main() -> None:
    build, *programs = sys.argv[1:]
    print("Cloudlet\n\nCopyright: the authors of Cloudlet\nLicense: Apache-2.0\n")
    print(APACHE)
    print("\nThe programs contain the following components, each under its own licence.")
    swift, directory = toolchain()
    print(section(f"Swift runtime and standard libraries {swift} (https://github.com/swiftlang/swift)"))
    print(without_apache_text((directory / TOOLCHAIN_LICENCE).read_text()).strip())
    for package in swift_packages(Path(build).resolve(), programs):
        print(section(f"{package.name} {package.version} ({package.url})"))
        print(f"License: {package.licence}\n")
        for path in package.texts("LICENSE", "NOTICE"):
            print(without_apache_text(path.read_text()).strip() + "\n")


if __name__ == "__main__":
    main()
