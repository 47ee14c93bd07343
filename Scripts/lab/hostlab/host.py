# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""A host that runs: started from a saved state, with a disk of its own, and a place on the LAN."""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..programs import CHECKOUT
from .emulator import Emulator, Machine
from .failure import BUSY, NO_SUCH_HOST, UNAVAILABLE, Failure
from .lan import NETWORK, Lan
from .ssh import SSH
from .store import booted, check_room, create_disk, locked, say, wait_for_ssh

HOSTS = CHECKOUT / ".build/host-lab"
START_LIMIT = 120  # seconds
LAN = Lan(HOSTS / "lan")


class Host:
    """A host, whose files are in .build/host-lab/NAME."""

    def __init__(self, name: str) -> None:
        self.name, self.directory = name, HOSTS / name
        self.emulator = Emulator(self.directory)

    @property
    def ssh(self) -> SSH:
        """The connection to the host."""
        return SSH(self.directory, self.directory / "key")

    @property
    def release(self) -> int:
        """The release of Debian."""
        return self.properties()["release"]

    def properties(self) -> dict[str, int]:
        """What `start` noted about the host."""
        found: dict[str, int] = json.loads((self.directory / "host.json").read_text())
        return found

    def start(self, release: int, machine: Machine) -> None:
        """Starts the host. It is as after its boot; nothing of an earlier host of this name is left."""
        saved = booted(release, machine)
        start = time.monotonic()
        with locked(HOSTS / ".lock"):
            if self.emulator.pid:
                raise Failure(
                    BUSY, f"host '{self.name}' runs already; 'Scripts/host-lab stop --name {self.name}' ends it"
                )
            self.discard()
            check_room(HOSTS, 2)
            self.directory.mkdir()
            number = LAN.join()
            (self.directory / "host.json").write_text(json.dumps({"number": number, "release": release}))
        try:
            shutil.copy(saved.parent / "key", self.directory / "key")
            create_disk(self.directory / "disk.qcow2", saved / "disk.qcow2", "qcow2")
            self.emulator.launch(machine, saved.parent, "disk.qcow2", LAN.device(number), saved / "state")
            self.emulator.resume(START_LIMIT)
            wait_for_ssh(self.emulator, self.ssh, START_LIMIT)
            self.ssh.run(self.introduction(number), timeout=START_LIMIT)
        except BaseException as error:
            words = self.emulator.last_words()
            self.stop()
            if isinstance(error, Failure):
                raise Failure(error.status, f"{error}\n{words}") from None
            raise
        say(f"host '{self.name}' is up after {time.monotonic() - start:.1f} s, {NETWORK}.{number}")

    def introduction(self, number: int) -> str:
        """The script that tells a host that went on from a saved state the time, its name and its address."""
        interface = (
            *("auto enp0s4", "iface enp0s4 inet static"),
            *(f"hwaddress 52:54:00:77:01:{number:02x}", f"address {NETWORK}.{number}/24"),
        )
        return f"""set -e
        date --utc --set=@{time.time():.3f}
        echo {self.name} >/etc/hostname
        hostname {self.name}
        echo '127.0.1.1 {self.name}' >>/etc/hosts
        printf '%s\\n' {shlex.join(interface)} >/etc/network/interfaces.d/lan
        ifup enp0s4
        systemctl restart avahi-daemon # reads the host's name only when it starts
        """

    def require(self) -> None:
        """Ends the program unless the host runs."""
        if not self.emulator.pid:
            words = f":\n{self.emulator.last_words()}" if self.directory.exists() else ""
            raise Failure(NO_SUCH_HOST, f"host '{self.name}' does not run; 'Scripts/host-lab start' starts it{words}")

    def run(self, script: str, limit: float) -> int:
        """Runs a shell script on the host, with the standard streams of this process; returns its exit status."""
        self.require()
        words = self.ssh.command(f"timeout --kill-after=10 {limit:g} bash -c {shlex.quote(script)}")
        try:
            status = subprocess.run(words, cwd=self.directory, timeout=limit + 60, check=False).returncode
        except subprocess.TimeoutExpired:
            raise Failure(UNAVAILABLE, f"host '{self.name}' hangs:\n{self.emulator.last_words()}") from None
        if status == 124:
            say(f"the command was ended after {limit:g} s")
        if status == 255 and not self.emulator.pid:
            raise Failure(UNAVAILABLE, f"host '{self.name}' has ended:\n{self.emulator.last_words()}")
        return status

    def send(self, sources: Sequence[Path], target: str) -> None:
        """Copies files and directories into a directory of the host; holes stay holes."""
        self.require()
        pack = ["tar", "--create", "--sparse"]
        for source in sources:
            if not source.exists():
                raise Failure(NO_SUCH_HOST, f"there is no file {source}")
            pack += [f"--directory={source.resolve().parent}", source.resolve().name]
        directory = shlex.quote(target)
        unpack = f"mkdir -p {directory} && tar --extract --no-same-owner --directory={directory}"
        pipe(pack, self.ssh.command(unpack), self.directory)

    def fetch(self, sources: Sequence[str], target: Path) -> None:
        """Copies files and directories of the host into a directory."""
        self.require()
        if not target.is_dir():
            raise Failure(NO_SUCH_HOST, f"there is no directory {target}")
        words = " ".join(
            f"--directory={shlex.quote(os.path.dirname(source) or '/')} {shlex.quote(os.path.basename(source))}"
            for source in sources
        )
        unpack = ["tar", "--extract", "--no-same-owner", f"--directory={target.resolve()}"]
        pipe(self.ssh.command(f"tar --create --sparse {words}"), unpack, self.directory)

    def stop(self) -> None:
        """Ends the host at once, and removes its files."""
        with locked(HOSTS / ".lock"):
            self.discard()

    def discard(self) -> None:
        """Ends what is left of the host, and removes its files."""
        if not self.directory.exists():
            return
        with contextlib.suppress(OSError, Failure):
            self.ssh.close()
        self.emulator.end()
        with contextlib.suppress(OSError, ValueError, KeyError):
            LAN.leave(self.properties()["number"])
        shutil.rmtree(self.directory)


def pipe(source: Sequence[str], target: Sequence[str], directory: Path) -> None:
    """Runs two programs with a pipe between them; ends the program when one fails."""
    with subprocess.Popen(source, cwd=directory, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as first:
        second = subprocess.run(target, cwd=directory, stdin=first.stdout, stderr=subprocess.PIPE, check=False)
        if first.stdout:
            first.stdout.close()
        _, errors = first.communicate()
    if first.returncode or second.returncode:
        raise Failure(UNAVAILABLE, f"the copy failed:\n{(errors + second.stderr).decode(errors='replace').strip()}")


def hosts() -> Iterator[Host]:
    """All hosts of this checkout, also those that have ended by themselves."""
    for path in sorted(HOSTS.glob("*/host.json")):
        yield Host(path.parent.name)
