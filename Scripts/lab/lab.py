"""A lab of Scripts/lan-lab for benchmarks: made, used and removed."""
import os
import subprocess
import threading
import time
from pathlib import Path

from needs import CHECKOUT, need, need_root


class Lab:
    """Hosts numbered from 1, each with an address 10.77.x.y."""

    def __init__(self, hosts, configuration="debug", avahi=True):
        self.programs = CHECKOUT / ".build" / configuration
        self.directory = f"/tmp/clab-b{os.getpid()}"
        self.prefix = f"b{os.getpid() % 10000}"
        self.environment = dict(
            os.environ, LAB_DIR=self.directory, LAB_PREFIX=self.prefix, LAB_NODE=f"{self.programs}/discovery-host node",
            LAB_FIND=f"{self.programs}/discovery-host find")
        need_root()
        need("ip", "bridge", "nsenter", "unshare", "dbus-daemon", "avahi-daemon")
        made = self.run("up", str(hosts), *([] if avahi else ["--no-avahi"]))
        if made.returncode:
            self.down()
            raise SystemExit(f"no lab can be made: {made.stderr.strip()}")

    def script(self, *arguments):
        """Runs a verb of lan-lab; what it prints."""
        return self.run(*arguments).stdout

    def run(self, *arguments):
        return subprocess.run([CHECKOUT / "Scripts/lan-lab", *map(str, arguments)], env=self.environment,
                              capture_output=True, text=True, check=False)

    def init(self, host):
        """The first process of a host."""
        return Path(self.directory, f"h{host}", "pid").read_text().strip()

    def command(self, host, *words):
        """The words that run a command on a host."""
        return ["nsenter", "-t", self.init(host), "-n", "-m", "-u", "-p", "--", *map(str, words)]

    def node(self, host, *arguments):
        """Starts a node; its id is the host's number."""
        self.script("node", host, "--id", self.id(host), "--name", f"Node {host}", *arguments)

    def id(self, host):
        return f"{host:08d}-1111-4111-8111-111111111111"

    def pid(self, host):
        """The node's process."""
        return int(Path(self.directory, f"h{host}", "node.pid").read_text())

    def log(self, host, lines=20):
        """The last lines of the node's log."""
        return "\n".join(self.script("log", host, "node").splitlines()[-lines:])

    def find(self, host, *arguments):
        """Events of a search: milliseconds, sign, text."""
        output = self.script("find", host, *arguments)
        events = (line.split(" ", 3) for line in output.splitlines() if " us " in line)
        return [(int(fields[0]) / 1000, fields[2], fields[3] if len(fields) > 3 else "") for fields in events]

    def first_line(self, host, words, wanted, limit=30):
        """Milliseconds from the start of a program until it has printed a line with some text; None for never."""
        start = time.monotonic()
        running = subprocess.Popen(self.command(host, *words), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        # One that says nothing ends, too.
        patience = threading.Timer(limit, running.terminate)
        patience.start()
        found = None
        for line in running.stdout:
            if wanted.encode() in line:
                found = (time.monotonic() - start) * 1000
                break
        patience.cancel()
        running.terminate()
        running.wait()
        return found

    def first_event(self, host, *arguments):
        """Milliseconds until a search has found the first node."""
        events = [when for when, sign, _ in self.find(host, *arguments) if sign == "+"]
        if not events:
            raise SystemExit(f"host {host} finds no node ({' '.join(arguments)}); the node's log:\n{self.log(1)}")
        return events[0]

    def whole(self, host, words):
        """Milliseconds from the start of a program until its end."""
        start = time.monotonic()
        subprocess.run(self.command(host, *words), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60)
        return (time.monotonic() - start) * 1000

    def down(self):
        self.script("down")
