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

from chain import ENV, PORT, ask

QEMU = "{http://libvirt.org/schemas/domain/qemu/1.0}"
PEER_PORT = 19876


class PeerVM:
    """The VM that an overlay makes, synthesized by us once, then in the hands of virsh."""

    def __init__(self, chain):
        self.chain = chain
        self.memory = f"/dev/shm/cloudlet-bench-{os.getpid()}"
        said = chain.cloudlet("synthesis", chain.disk, chain.overlay, "--detach")
        self.name = re.search(r"VM (\S+) runs", said)[1]
        ask("127.0.0.1", PORT)
        self.root = self.take_over(next(Path(chain.home).rglob(f"run/qemu/{self.name}.xml")))
        self.saved, self.xml = f"{chain.overlay}.save", f"{chain.overlay}.xml"
        # On a terminal, because elsewhere it keeps its answers back.
        self.terminal, other = pty.openpty()
        self.shell = subprocess.Popen(["virsh", "-q", "-c", f"qemu:///embed?root={self.root}"], stdin=other, stdout=other,
                                      stderr=other, env=dict(ENV, TERM="dumb"), start_new_session=True)
        os.close(other)
        self.until_prompt()
        # For our own way the memory stays out of what is saved.
        self.say(f"qemu-monitor-command {self.name} '{{\"execute\":\"migrate-set-capabilities\",\"arguments\":"
                 "{\"capabilities\":[{\"capability\":\"x-ignore-shared\",\"state\":false}]}}'")

    @staticmethod
    def take_over(state):
        """The directory of libvirt's driver by a short name, as the paths of sockets are bounded. What the driver notes of
        the VM has the name that it had for the command, which ended with that."""
        root = tempfile.mkdtemp(prefix="v", dir="/tmp") + "/r"
        os.symlink(state.parents[2], root)
        text = re.sub(r"/proc/\d+/fd/\d+(?=/)", root, state.read_text()).replace(f"{state.parents[2]}/", f"{root}/")
        state.write_text(text)
        return root

    def say(self, line):
        """Gives virsh a command; what it prints, when it is done."""
        os.write(self.terminal, f"{line}\n".encode())
        said = self.until_prompt()
        if "error:" in said:
            raise RuntimeError(f"virsh: {line}: {said}")
        return said

    def until_prompt(self):
        said = ""
        while not said.endswith("virsh # "):
            said += os.read(self.terminal, 65536).decode(errors="replace")
        return said

    def describe(self, text):
        """The description for restoring: memory at another place, no waiting, a forward of its own."""
        domain = Tree.fromstring(text[text.index("<domain"):text.rindex("</domain>") + 9])
        words = domain.find(f"{QEMU}commandline")
        forward = f"hostfwd=tcp:127.0.0.1:{PEER_PORT}-:{PORT}"
        values = [word.get("value") for word in words]
        for word, value in zip(list(words), values):
            if value in ("-incoming", "defer"):
                words.remove(word)
            elif "mem-path=" in value:
                word.set("value", re.sub(r"mem-path=[^,]*", f"mem-path={self.memory}", value))
            elif value.startswith("user,id=") and forward not in value:
                word.set("value", f"{value},{forward}")
        Tree.register_namespace("qemu", QEMU[1:-1])
        Tree.ElementTree(domain).write(self.xml)

    def save(self):
        """Saves the VM, which ends it."""
        if os.path.exists(self.saved):
            os.unlink(self.saved)
        self.say(f"save {self.name} {self.saved}")
        # Each time anew: libvirt gives a restored VM another generation id, which must be that of the description.
        self.describe(self.say(f"save-image-dumpxml {self.saved}"))
        if os.path.exists(self.memory):
            os.unlink(self.memory)
        return os.path.getsize(self.saved)

    def restore(self):
        """Seconds until virsh says that the VM runs, and until the application answers; the saved VM is in the cache."""
        subprocess.run(["cat", self.saved], stdout=subprocess.DEVNULL, check=True)
        start = time.monotonic()
        self.say(f"restore {self.saved} --xml {self.xml}")
        runs = time.monotonic() - start
        return runs, ask("127.0.0.1", PEER_PORT) - start

    def end(self):
        os.write(self.terminal, f"destroy {self.name}\n".encode())
        self.until_prompt()
        self.shell.terminate()
        self.shell.wait(60)
        os.close(self.terminal)
        shutil.rmtree(os.path.dirname(self.root), ignore_errors=True)
        if os.path.exists(self.memory):
            os.unlink(self.memory)
