# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""A base VM and an overlay with the running demo application, made by the project's programs."""

import copy
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .programs import CHECKOUT, ENVIRONMENT, program, run, stop

PORT = 9876


def ask(host: str, port: int, timeout: float = 120) -> float:
    """Waits for the application's first answer; returns the monotonic time of the answer."""
    end = time.monotonic() + timeout
    while time.monotonic() < end:
        try:
            with socket.create_connection((host, port), timeout=0.5) as link:
                link.sendall(b"face\n")
                link.settimeout(5)
                if link.recv(4096):
                    return time.monotonic()
        except OSError:
            pass
        time.sleep(0.002)
    raise RuntimeError(f"the application at {host} port {port} does not answer within {timeout:g} s")


class Fixture:
    """A base VM of a given memory size with an overlay on it. 60 % of the memory is in use, as on a machine that has
    been up for a while; `payload` MiB of incompressible data come with the application."""

    def __init__(self, root: Path | str, memory: int, payload: int = 0) -> None:
        self.root, self.memory = Path(root, str(memory)), memory
        self.root.mkdir(parents=True)
        self.disk, self.home = self.root / "guest.raw", self.root / "home"
        self.key = self.root / "guest.raw.key"
        self.environment = dict(ENVIRONMENT, CLOUDLET_HOME=str(self.home), FACE_KEY=str(self.key))
        run(CHECKOUT / "Scripts/make-guest", "-o", self.disk)
        used = self.provision(
            "used",
            f"""i=0
            mount -o remount,size=90% /tmp 2>/dev/null || mount -t tmpfs -o size=90% tmpfs /tmp
            head -c 16M /dev/urandom > /tmp/part
            while [ $i -lt {memory * 6 // 10 // 16 - 4} ]; do cat /tmp/part > /tmp/used-$i; i=$((i + 1)); done""",
        )
        self.cloudlet("base", self.disk, "--memory", str(memory), "--provision", used)
        self.make_overlay(payload)

    def with_overlay(self, payload: int = 0, compression: str = "xz") -> "Fixture":
        """Returns the same base VM with another overlay."""
        other = copy.copy(self)
        other.make_overlay(payload, compression)
        return other

    def make_overlay(self, payload: int, compression: str = "xz") -> None:
        """Makes the overlay, which this fixture uses from now on."""
        self.overlay = self.root / f"face-{payload}-{compression}"
        install = self.provision(
            f"install-{payload}",
            f"mkdir -p /var/lib/face; head -c {payload}M /dev/urandom >/var/lib/face/payload; sync",
            f"exec '{CHECKOUT}/Scripts/guest/install-face'",
        )
        options: list[str | Path] = ["-o", self.overlay, "--compression", compression, "--ready-port", str(PORT)]
        options += ["--provision", install, "--ssh-key", self.key, "--", "-redir", f"tcp:{PORT}::{PORT}"]
        self.cloudlet("overlay", self.disk, *options)
        self.size = sum(file.stat().st_size for file in self.overlay.iterdir())

    def provision(self, name: str, guest: str, then: str = "") -> Path:
        """Writes a program that runs `guest` in the guest, and `then` on this machine."""
        path = self.root / name
        path.write_text(f"""#!/bin/sh
set -e
guest() {{ ssh -F none -T -p "$CLOUDLET_VM_PORT_22" -i "$FACE_KEY" -o BatchMode=yes -o StrictHostKeyChecking=no \\
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "root@${{CLOUDLET_VM_HOST:-127.0.0.1}}" "$1"; }}
until guest true 2>/dev/null; do sleep 1; done
guest '{guest}'
{then}
""")
        path.chmod(0o755)
        return path

    def cloudlet(self, *arguments: str | Path) -> str:
        """Runs `cloudlet` with the fixture's home; returns its output."""
        return run(program("cloudlet"), *arguments, environment=self.environment)


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """Yields a directory for large files; removes it at the end."""
    root = Path(tempfile.mkdtemp(prefix=prefix, dir="/var/tmp"))
    try:
        yield root
    finally:
        remove_tree(root)


def remove_tree(root: Path) -> None:
    """Removes a directory, including write-protected files, such as those of base VMs."""
    subprocess.run(["chmod", "-R", "u+w", root], check=False)
    shutil.rmtree(root, ignore_errors=True)


@contextmanager
def demo_files(demo: Path | None) -> Iterator[Path]:
    """Yields the directory that `Scripts/demo --keep` created: guest.raw with its base VM, home, and the overlay face.
    Without one, creates it, and removes it at the end."""
    if demo:
        if absent := [name for name in ("home", "face") if not (demo / name).is_dir()]:
            stop(66, f"{demo} has no {' and no '.join(absent)}; name what 'Scripts/demo --keep' left")
        yield demo.resolve()
        return
    with scratch("cb-") as root:
        print("making a base VM and an overlay, which takes some minutes; --demo names existing ones", file=sys.stderr)
        try:
            fixture = Fixture(root, 256)
        except RuntimeError as error:
            stop(1, f"the base VM and its overlay can't be made: {error}")
        os.rename(fixture.overlay, fixture.root / "face")
        yield fixture.root
