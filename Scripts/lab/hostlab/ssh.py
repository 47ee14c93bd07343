# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Commands and files of a host, over one connection of SSH."""

import subprocess
from pathlib import Path

from .failure import UNAVAILABLE, Failure


class SSH:
    """The connection to a host. `open` makes it once, because the handshake takes a second of an emulated processor;
    the commands share it. Its files are in the host's directory."""

    def __init__(self, directory: Path, key: Path) -> None:
        self.directory, self.key = directory, key

    @property
    def words(self) -> list[str]:
        """The command line up to the command for the host. It runs in the directory, because the address of a socket
        holds 107 bytes, and a path may be longer."""
        options = {
            "BatchMode": "yes",
            "ConnectTimeout": "30",
            "ControlPath": "./ssh",
            "GlobalKnownHostsFile": "/dev/null",
            "IdentitiesOnly": "yes",
            "LogLevel": "ERROR",
            "ServerAliveInterval": "30",
            "ServerAliveCountMax": "10",
            "StrictHostKeyChecking": "no",
            "UserKnownHostsFile": "/dev/null",
        }
        port = (self.directory / "port").read_text().strip()
        words = ["ssh", "-F", "none", "-T", "-p", port, "-i", str(self.key)]
        return [*words, *(f"-o{name}={value}" for name, value in options.items())]

    def open(self, port: int) -> bool:
        """Connects; returns whether the host answers."""
        (self.directory / "port").write_text(f"{port}\n")
        try:
            made = subprocess.run(
                [*self.words, "-MNf", "root@127.0.0.1"],
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=60,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return False
        return made.returncode == 0

    def close(self) -> None:
        """Disconnects."""
        if (self.directory / "ssh").exists():
            subprocess.run(
                [*self.words, "-O", "exit", "root@127.0.0.1"], cwd=self.directory, capture_output=True, check=False
            )

    def command(self, script: str) -> list[str]:
        """The command line that runs a shell script on the host."""
        return [*self.words, "root@127.0.0.1", script]

    def run(self, script: str, timeout: float = 120) -> str:
        """Runs a shell script on the host; returns its output. Ends the program when it fails."""
        try:
            done = subprocess.run(
                self.command(script),
                cwd=self.directory,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise Failure(UNAVAILABLE, f"the host did not finish within {timeout:g} s: {script}") from None
        if done.returncode:
            text = (done.stdout + done.stderr).strip()
            raise Failure(UNAVAILABLE, f"on the host, this failed with status {done.returncode}: {script}\n{text}")
        return done.stdout
