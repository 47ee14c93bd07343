# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The same VM without a cloudlet: saves and restores it with virsh, as a user could."""

import os
import pty
import re
import shutil
import subprocess
import tempfile
import time
import xml.etree.ElementTree as Tree
from pathlib import Path

from .fixture import PORT, Fixture, ask
from .programs import ENVIRONMENT

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
PEER_PORT = 19876


class PeerVM:
    """The VM of an overlay: a synthesis of the project starts it once, then virsh controls it."""

    def __init__(self, fixture: Fixture) -> None:
        self.memory = Path(f"/dev/shm/cloudlet-bench-{os.getpid()}")
        said = fixture.cloudlet("synthesis", fixture.disk, fixture.overlay, "--detach")
        name = re.search(r"VM (\S+) runs", said)
        if not name:
            raise RuntimeError(f"cloudlet synthesis does not name its VM: {said}")
        self.name = name[1]
        ask("127.0.0.1", PORT)
        self.root = self.take_over(next(fixture.home.rglob(f"run/qemu/{self.name}.xml")))
        self.saved, self.xml = Path(f"{fixture.overlay}.save"), Path(f"{fixture.overlay}.xml")
        # On a terminal, because virsh buffers its output elsewhere.
        self.terminal, other = pty.openpty()
        self.shell = subprocess.Popen(
            ["virsh", "-q", "-c", f"qemu:///embed?root={self.root}"],
            stdin=other,
            stdout=other,
            stderr=other,
            env=dict(ENVIRONMENT, TERM="dumb"),
            start_new_session=True,
        )
        os.close(other)
        self.until_prompt()
        # The project's synthesis excludes the memory from the saved file.
        self.say(
            f'qemu-monitor-command {self.name} \'{{"execute":"migrate-set-capabilities","arguments":'
            '{"capabilities":[{"capability":"x-ignore-shared","state":false}]}}\''
        )

    @staticmethod
    def take_over(state: Path) -> Path:
        """A short path for the directory of libvirt's driver, because the paths of sockets are limited in length. The
        driver's own files about the VM have the directory name that the command used, which has ended."""
        root = Path(tempfile.mkdtemp(prefix="v", dir="/tmp"), "r")
        root.symlink_to(state.parents[2])
        text = re.sub(r"/proc/\d+/fd/\d+(?=/)", str(root), state.read_text())
        state.write_text(text.replace(f"{state.parents[2]}/", f"{root}/"))
        return root

    def say(self, line: str) -> str:
        """Sends virsh a command; returns its output when the command is complete."""
        os.write(self.terminal, f"{line}\n".encode())
        said = self.until_prompt()
        if "error:" in said:
            raise RuntimeError(f"virsh: {line}: {said}")
        return said

    def until_prompt(self) -> str:
        """Returns the output of virsh until its next prompt."""
        said = ""
        while not said.endswith("virsh # "):
            said += os.read(self.terminal, 65536).decode(errors="replace")
        return said

    def describe(self, text: str) -> None:
        """Writes the description for restoring: memory in another file, no waiting, and its own port forward."""
        domain = Tree.fromstring(text[text.index("<domain") : text.rindex("</domain>") + 9])
        words = domain.find(f"{QEMU}commandline")
        if words is None:
            raise RuntimeError("the VM's description has no words for QEMU")
        forward = f"hostfwd=tcp:127.0.0.1:{PEER_PORT}-:{PORT}"
        values = [word.get("value", "") for word in words]
        for word, value in zip(list(words), values, strict=True):
            if value in ("-incoming", "defer"):
                words.remove(word)
            elif "mem-path=" in value:
                word.set("value", re.sub(r"mem-path=[^,]*", f"mem-path={self.memory}", value))
            elif value.startswith("user,id=") and forward not in value:
                word.set("value", f"{value},{forward}")
        Tree.register_namespace("qemu", QEMU[1:-1])
        Tree.ElementTree(domain).write(self.xml)

    def save(self) -> int:
        """Saves the VM, which ends it; returns the size of the file."""
        self.saved.unlink(missing_ok=True)
        self.say(f"save {self.name} {self.saved}")
        # Write it each time: libvirt gives a restored VM another generation id, which must be that of the description.
        self.describe(self.say(f"save-image-dumpxml {self.saved}"))
        self.memory.unlink(missing_ok=True)
        return self.saved.stat().st_size

    def restore(self) -> tuple[float, float]:
        """Seconds until virsh reports that the VM runs, and until the application answers; the saved file is in the
        page cache."""
        subprocess.run(["cat", self.saved], stdout=subprocess.DEVNULL, check=True)
        start = time.monotonic()
        self.say(f"restore {self.saved} --xml {self.xml}")
        runs = time.monotonic() - start
        return runs, ask("127.0.0.1", PEER_PORT) - start

    def end(self) -> None:
        """Ends the VM and virsh."""
        os.write(self.terminal, f"destroy {self.name}\n".encode())
        self.until_prompt()
        self.shell.terminate()
        self.shell.wait(60)
        os.close(self.terminal)
        shutil.rmtree(self.root.parent, ignore_errors=True)
        self.memory.unlink(missing_ok=True)
