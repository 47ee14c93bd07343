"""What a user without a cloudlet would do with the very same VM: save it with virsh, and restore it."""

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
    """The VM that an overlay makes, synthesized by us once, then in the hands of virsh."""

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
        # On a terminal, because elsewhere virsh keeps its answers back.
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
        # Our own synthesis keeps the memory out of what is saved.
        self.say(
            f'qemu-monitor-command {self.name} \'{{"execute":"migrate-set-capabilities","arguments":'
            '{"capabilities":[{"capability":"x-ignore-shared","state":false}]}}\''
        )

    @staticmethod
    def take_over(state: Path) -> Path:
        """The directory of libvirt's driver by a short name, as the paths of sockets are bounded. What the driver notes
        of the VM has the name that it had for the command, which ended with that."""
        root = Path(tempfile.mkdtemp(prefix="v", dir="/tmp"), "r")
        root.symlink_to(state.parents[2])
        text = re.sub(r"/proc/\d+/fd/\d+(?=/)", str(root), state.read_text())
        state.write_text(text.replace(f"{state.parents[2]}/", f"{root}/"))
        return root

    def say(self, line: str) -> str:
        """Gives virsh a command; what it prints, when it is done."""
        os.write(self.terminal, f"{line}\n".encode())
        said = self.until_prompt()
        if "error:" in said:
            raise RuntimeError(f"virsh: {line}: {said}")
        return said

    def until_prompt(self) -> str:
        """What virsh prints until it waits for a command."""
        said = ""
        while not said.endswith("virsh # "):
            said += os.read(self.terminal, 65536).decode(errors="replace")
        return said

    def describe(self, text: str) -> None:
        """Writes the description for restoring: memory in another file, no waiting, a forward of its own."""
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
        """Saves the VM, which ends it; the size of the file."""
        self.saved.unlink(missing_ok=True)
        self.say(f"save {self.name} {self.saved}")
        # Each time anew: libvirt gives a restored VM another generation id, which must be that of the description.
        self.describe(self.say(f"save-image-dumpxml {self.saved}"))
        self.memory.unlink(missing_ok=True)
        return self.saved.stat().st_size

    def restore(self) -> tuple[float, float]:
        """Seconds until virsh says that the VM runs, and until the application answers; the saved VM is cached."""
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
