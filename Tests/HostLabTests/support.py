# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Hosts for tests."""

import json
import os
import subprocess
import time
import unittest
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from lab.hostlab.emulator import Machine
from lab.hostlab.failure import Failure
from lab.hostlab.host import Host
from lab.programs import CHECKOUT

PROGRAM = CHECKOUT / "Scripts/host-lab"


def host_lab(*words: str | Path, input: str = "", **variables: str) -> subprocess.CompletedProcess[str]:  # noqa: A002
    """Runs Scripts/host-lab with these variables in its environment."""
    command = ["env", *(f"{name}={value}" for name, value in variables.items()), str(PROGRAM), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, input=input, timeout=900, check=False)


def install(host: Host, *options: str, package: str = "cloudlet") -> str:
    """Installs the package that Scripts/package made for the host's release, or the one in the directory
    CLOUDLET_PACKAGES, by apt, which finds what it depends on in its cache; returns apt's output."""
    directory = Path(os.environ.get("CLOUDLET_PACKAGES") or CHECKOUT / ".build/packages")
    files = sorted(directory.glob(f"{package}_*+deb{host.release}_*.deb"))
    if not files:
        raise unittest.SkipTest(f"{directory} has no package for Debian {host.release}; make it with Scripts/package")
    host.send(files, "/root/packages")
    words = " ".join([*options, *(f"/root/packages/{file.name}" for file in files)])
    return host.ssh.run(f"DEBIAN_FRONTEND=noninteractive apt-get install --yes {words}", 300)


class Times:
    """How long steps took, in seconds; tests print them, because they are results too."""

    def __init__(self) -> None:
        self.steps: dict[str, float] = {}

    def measure(self, name: str, step: Callable[[], str]) -> str:
        """Runs a step, and notes its time; returns its output."""
        start = time.monotonic()
        output = step()
        self.steps[name] = round(time.monotonic() - start, 1)
        return output

    def print(self) -> None:
        """Prints them all."""
        if self.steps:
            print("times in seconds:", json.dumps(self.steps))


class HostTestCase(unittest.TestCase):
    """Tests that share hosts, which end after the last test of the class."""

    # The names of the hosts, and their releases of Debian.
    releases: ClassVar[dict[str, int]] = {"test": 12}
    # The hardware of those that are not like the others.
    machines: ClassVar[dict[str, Machine]] = {}
    hosts: ClassVar[list[Host]]
    times: ClassVar[Times]

    @classmethod
    def setUpClass(cls) -> None:
        """Starts the hosts."""
        cls.times = Times()
        cls.addClassCleanup(cls.times.print)
        cls.hosts = [Host(name) for name in cls.releases]
        for host in cls.hosts:
            host.stop()
            cls.addClassCleanup(host.stop)
            host.start(cls.releases[host.name], cls.machines.get(host.name, Machine()))

    def run_on(self, host: int, script: str, limit: float = 120) -> str:
        """Runs a shell script on a host as root; returns its output. The test fails when the script fails."""
        try:
            return self.hosts[host].ssh.run(f"set -e\n{script}", limit)
        except Failure as failure:
            self.fail(str(failure))
