# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""What the programs of a build consist of: Swift packages, Swift's runtime, and shared libraries of Debian."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TOOLCHAIN_LICENCE = Path("share/swift/LICENSE.txt")


@dataclass(frozen=True)
class SwiftPackage:
    """A Swift package that is linked statically."""

    name: str
    version: str
    revision: str
    url: str
    checkout: Path

    def texts(self, *names: str) -> list[Path]:
        """The files of the package whose names begin with one of these words."""
        return sorted(path for path in self.checkout.iterdir() if path.is_file() and path.name.startswith(names))

    @property
    def licence(self) -> str:
        """The SPDX identifier of the licence, recognised by the text."""
        text = "\n".join(path.read_text() for path in self.texts("LICENSE"))
        if "Apache License" in text:
            exception = "Runtime Library Exception" in text
            return "Apache-2.0 WITH Swift-exception" if exception else "Apache-2.0"
        if "Permission is hereby granted, free of charge" in text:
            return "MIT"
        raise SystemExit(f"packaging: the licence of {self.name} is unknown; see {self.checkout}")


@dataclass(frozen=True)
class DebianPackage:
    """A Debian package whose libraries a program loads."""

    name: str
    version: str
    architecture: str


def swift_packages(build: Path, programs: list[str]) -> list[SwiftPackage]:
    """The Swift packages of which the programs contain object files."""
    checkouts = build.parent.parent / "checkouts"
    used: set[str] = set()
    for program in programs:
        listing = (build / f"{program}.product" / "Objects.LinkFileList").read_text()
        targets = set(re.findall(r"/([^/\s']+)\.build/", listing))
        for target in targets:
            used |= _packages_of(build / f"{target}.build")
    pins = json.loads((ROOT / "Package.resolved").read_text())["pins"]
    found = []
    for pin in pins:
        url = pin["location"].removesuffix(".git")
        name = url.rsplit("/", 1)[1]
        if name in used:
            used.remove(name)
            state = pin["state"]
            found.append(SwiftPackage(name, state["version"], state["revision"], url, checkouts / name))
    if used:
        raise SystemExit(f"packaging: Package.resolved lacks {', '.join(sorted(used))}")
    return sorted(found, key=lambda package: package.name.lower())


def _packages_of(target: Path) -> set[str]:
    """The names of the checkouts from whose sources a target was compiled; empty for a target of this package."""
    sources = target / "sources"
    texts = [sources.read_text()] if sources.exists() else [path.read_text() for path in target.rglob("*.d")]
    first = [re.search(r"/checkouts/([^/]+)/", text) for text in texts]
    return {match.group(1) for match in first if match}


def debian_packages(program: Path) -> list[DebianPackage]:
    """The Debian packages of the shared libraries that a program names itself."""
    output = _run("objdump", "-p", str(program))
    paths = dict(re.findall(r"^\s*(\S+) => (\S+)", _run("ldd", str(program)), re.MULTILINE))
    found: set[DebianPackage] = set()
    for library in re.findall(r"^\s*NEEDED\s+(\S+)$", output, re.MULTILINE):
        path = paths.get(library)
        if not path:
            continue  # The dynamic linker itself.
        owners = subprocess.run(
            ["dpkg-query", "--search", str(Path(path).resolve()), path, path.removeprefix("/usr")],
            capture_output=True,
            text=True,
        ).stdout
        if not owners:
            raise SystemExit(f"packaging: {path} belongs to no Debian package, so {program.name} can't depend on it")
        owner = owners.splitlines()[0].split(": ")[0].split(", ")[0]
        fields = _run("dpkg-query", "-W", "-f", "${Package} ${Version} ${Architecture}", owner).split()
        found.add(DebianPackage(*fields))
    return sorted(found, key=lambda package: package.name)


def toolchain() -> tuple[str, Path]:
    """The version of Swift, and the directory of its installation."""
    version = re.search(r"Swift version (\S+)", _run("swift", "--version"))
    assert version
    swift = Path(_run("sh", "-c", "command -v swift").strip()).resolve()
    return version.group(1), swift.parents[1]


def distribution() -> tuple[str, str]:
    """The id and the version of the system that runs this, such as `debian` and `12`."""
    fields = dict(line.split("=", 1) for line in Path("/etc/os-release").read_text().splitlines() if "=" in line)
    return fields["ID"].strip('"'), fields["VERSION_ID"].strip('"')


def _run(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
