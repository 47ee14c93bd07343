#!/usr/bin/env python3
# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Prints a bill of materials (SPDX 2.3, JSON) of a Debian package: the Swift packages and the runtime that its programs
contain, and the Debian packages whose libraries they load.

    Scripts/packaging/sbom.py BUILD NAME VERSION TIME PROGRAM...

BUILD is the directory with the products of `swift build`, TIME the seconds since 1970 of the version.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from components import debian_packages, distribution, swift_packages, toolchain

Entry = dict[str, Any]


def package(identifier: str, name: str, version: str, licence: str, purl: str, **other: Any) -> Entry:  # noqa: ANN401
    """A package with the fields that the format requires."""
    reference = {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
    return {
        "SPDXID": "SPDXRef-" + re.sub(r"[^A-Za-z0-9.-]", "-", identifier),
        "name": name,
        "versionInfo": version,
        "downloadLocation": "NOASSERTION",
        "filesAnalyzed": False,
        "licenseConcluded": "NOASSERTION",
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
        "externalRefs": [reference],
        **other,
    }


def document(build: Path, name: str, version: str, time: int, programs: list[str]) -> Entry:
    system, release = distribution()
    purl = f"pkg:deb/{system}/{name}@{version}?distro={system}-{release}"
    subject = package(name, name, version, "Apache-2.0", purl, primaryPackagePurpose="APPLICATION")
    packages = [subject]
    relationships = [relationship("SPDXRef-DOCUMENT", "DESCRIBES", subject["SPDXID"])]

    def add(kind: str, entry: Entry) -> None:
        packages.append(entry)
        relationships.append(relationship(subject["SPDXID"], kind, entry["SPDXID"]))

    swift, _ = toolchain()
    runtime = "pkg:github/swiftlang/swift@swift-" + swift + "-RELEASE"
    add("STATIC_LINK", package("swift-runtime", "swift", swift, "Apache-2.0 WITH Swift-exception", runtime))
    for item in swift_packages(build, programs):
        locator = f"pkg:swift/{item.url.removeprefix('https://')}@{item.version}"
        source = f"git+{item.url}.git@{item.revision}"
        entry = package(f"swift-{item.name}", item.name, item.version, item.licence, locator, downloadLocation=source)
        add("STATIC_LINK", entry)
    libraries = {library for program in programs for library in debian_packages(build / program)}
    for library in sorted(libraries, key=lambda library: library.name):
        locator = f"pkg:deb/{system}/{library.name}@{library.version}?arch={library.architecture}"
        locator += f"&distro={system}-{release}"
        add("DYNAMIC_LINK", package(f"deb-{library.name}", library.name, library.version, "NOASSERTION", locator))

    content = json.dumps(packages, sort_keys=True).encode()
    created = datetime.datetime.fromtimestamp(time, datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"{name}-{version}",
        "documentNamespace": f"https://spdx.org/spdxdocs/{name}-{version}-{hashlib.sha256(content).hexdigest()}",
        "creationInfo": {"created": created, "creators": ["Tool: Scripts/packaging/sbom.py"]},
        "packages": packages,
        "relationships": relationships,
    }


def relationship(source: str, kind: str, target: str) -> Entry:
    return {"spdxElementId": source, "relationshipType": kind, "relatedSpdxElement": target}


def main() -> None:
    build, name, version, time, *programs = sys.argv[1:]
    json.dump(document(Path(build).resolve(), name, version, int(time), programs), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
