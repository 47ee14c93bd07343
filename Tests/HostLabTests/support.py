"""Hosts for tests."""

import os
import subprocess
import unittest
from pathlib import Path
from typing import ClassVar

from lab.hostlab.emulator import Machine
from lab.hostlab.failure import Failure
from lab.hostlab.host import Host
from lab.programs import CHECKOUT, run

PROGRAM = CHECKOUT / "Scripts/host-lab"


def host_lab(*words: str | Path, input: str = "", **variables: str) -> subprocess.CompletedProcess[str]:  # noqa: A002
    """Runs Scripts/host-lab with these variables in its environment."""
    command = ["env", *(f"{name}={value}" for name, value in variables.items()), str(PROGRAM), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, input=input, timeout=900, check=False)


def packages() -> list[Path]:
    """The packages that Scripts/package made, or those in the directory CLOUDLET_PACKAGES."""
    directory = Path(os.environ.get("CLOUDLET_PACKAGES") or CHECKOUT / ".build/packages")
    return sorted(directory.glob("cloudlet_*.deb"))


def install(host: Host, *options: str) -> str:
    """Installs the packages by apt, which finds what they depend on in its cache; returns apt's output."""
    files = packages()
    if not files:
        raise unittest.SkipTest("there are no packages; make them by Scripts/package")
    host.send(files, "/root/packages")
    words = " ".join([*options, *(f"/root/packages/{file.name}" for file in files)])
    return host.ssh.run(f"DEBIAN_FRONTEND=noninteractive apt-get install --yes {words}", 300)


def make_guest(directory: Path) -> list[Path]:
    """Makes the disk of a small guest and its key in a directory; returns the files."""
    disk = directory / "guest.raw"
    run(CHECKOUT / "Scripts/make-guest", "--size", "512M", "-o", disk)
    return [disk, Path(f"{disk}.key"), Path(f"{disk}.key.pub")]


class HostTestCase(unittest.TestCase):
    """Tests that share hosts, which end after the last test of the class."""

    release: ClassVar[int] = 12
    names: ClassVar[tuple[str, ...]] = ("test",)
    hosts: ClassVar[list[Host]]

    @classmethod
    def setUpClass(cls) -> None:
        """Starts the hosts."""
        cls.hosts = [Host(name) for name in cls.names]
        for host in cls.hosts:
            host.stop()
            cls.addClassCleanup(host.stop)
            host.start(cls.release, Machine())

    def run_on(self, host: int, script: str, limit: float = 120) -> str:
        """Runs a shell script on a host as root; returns its output. The test fails when the script fails."""
        try:
            return self.hosts[host].ssh.run(f"set -e\n{script}", limit)
        except Failure as failure:
            self.fail(str(failure))
