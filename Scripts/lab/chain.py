"""A base VM and an overlay with the running demo application, made by the project's programs, for benchmarks."""
import copy
import os
import re
import socket
import subprocess
import sys
import time
from pathlib import Path

TOP = str(Path(__file__).resolve().parents[2])
ENV = dict(os.environ, PATH="/usr/sbin:/sbin:" + os.environ["PATH"])
PORT = 9876


def program(name):
    for build in ("release", "debug"):
        path = f"{TOP}/.build/{build}/{name}"
        if os.path.exists(path):
            return path
    sys.exit(f"bench: {name} is not built; swift build -c release")


def run(*command, env=None, **more):
    result = subprocess.run(command, capture_output=True, text=True, timeout=900, env=env or ENV, **more)
    if result.returncode:
        raise RuntimeError(f"{' '.join(command)}: {result.returncode}\n{result.stdout}{result.stderr}")
    return result.stdout + result.stderr


def ask(host, port, patience=120.0):
    """When the application first answered."""
    end = time.monotonic() + patience
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
    raise RuntimeError("the application does not answer")


class Chain:
    """A base VM of some size whose memory is in use to 60 %, as of a machine that has been up for a while, and an overlay
    on it; `payload` MiB of what does not compress come with the application."""

    def __init__(self, root, memory, payload=0):
        self.root, self.memory = f"{root}/{memory}", memory
        os.makedirs(self.root)
        self.disk, self.home = f"{self.root}/guest.raw", f"{self.root}/home"
        self.env = dict(ENV, CLOUDLET_HOME=self.home, FACE_KEY=self.disk + ".key")
        run(f"{TOP}/Scripts/make-guest", "-o", self.disk)
        used = self.provision("used", f"""i=0
            mount -o remount,size=90% /tmp 2>/dev/null || mount -t tmpfs -o size=90% tmpfs /tmp
            head -c 16M /dev/urandom > /tmp/part
            while [ $i -lt {memory * 6 // 10 // 16 - 4} ]; do cat /tmp/part > /tmp/used-$i; i=$((i + 1)); done""")
        self.cloudlet("base", self.disk, "--memory", str(memory), "--provision", used)
        self.make_overlay(payload)

    def with_overlay(self, payload=0, compression="xz"):
        """The same base VM with another overlay."""
        other = copy.copy(self)
        other.make_overlay(payload, compression)
        return other

    def make_overlay(self, payload, compression="xz"):
        self.overlay = f"{self.root}/face-{payload}-{compression}"
        install = self.provision(
            f"install-{payload}", f"mkdir -p /var/lib/face; head -c {payload}M /dev/urandom >/var/lib/face/payload; sync",
            f"exec {TOP}/Scripts/guest/install-face")
        self.cloudlet("overlay", self.disk, "-o", self.overlay, "--compression", compression, "--ready-port", str(PORT),
                      "--provision", install, "--ssh-key", self.disk + ".key", "--", "-redir", f"tcp:{PORT}::{PORT}")
        self.size = sum(os.path.getsize(f"{self.overlay}/{name}") for name in os.listdir(self.overlay))

    def provision(self, name, guest, then=""):
        """A program that runs `guest` in the guest."""
        path = f"{self.root}/{name}"
        Path(path).write_text(f"""#!/bin/sh
set -e
guest() {{ ssh -F none -T -p "$CLOUDLET_VM_PORT_22" -i "$FACE_KEY" -o BatchMode=yes -o StrictHostKeyChecking=no \\
    -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR "root@${{CLOUDLET_VM_HOST:-127.0.0.1}}" "$1"; }}
until guest true 2>/dev/null; do sleep 1; done
guest '{guest}'
{then}
""")
        os.chmod(path, 0o755)
        return path

    def cloudlet(self, *arguments):
        return run(program("cloudlet"), *arguments, env=self.env)


class ProcessorGroup:
    """A control group for the processor, as services and containers have one. Outside of any, Linux shares the processors
    between terminal sessions (`sched_autogroup`), and each emulator counts as one."""

    def __init__(self):
        top = next((path for path in map(Path, ("/sys/fs/cgroup/cpu", "/sys/fs/cgroup")) if self.is_usable(path)), None)
        self.path = top and top / f"cloudlet-{os.getpid()}"

    @staticmethod
    def is_usable(path):
        switch = path / "cgroup.subtree_control"
        try:
            if switch.exists():
                switch.write_text("+cpu")
        except OSError:
            return False
        return (path / "cpu.shares").exists() or switch.exists()

    def make(self):
        if self.path:
            self.path.mkdir()

    def enter(self):
        """Puts the calling process in."""
        if self.path:
            (self.path / "cgroup.procs").write_text(str(os.getpid()))

    def remove(self, patience=10):
        """Waits until nobody is in it any more."""
        end = time.monotonic() + patience
        while self.path and self.path.exists():
            try:
                self.path.rmdir()
            except OSError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)


class Node:
    """A node that serves a chain's base VM; `prefix` puts it elsewhere than here."""

    def __init__(self, chain, prefix=(), options=(), **settings):
        self.log = f"{chain.root}/node.log"
        limits = {"CLOUDLET_ADMISSION_PER_CLIENT": "1000", "CLOUDLET_SESSION_LEASE": "2",
                  "CLOUDLET_SESSION_COMEBACK": "2", **settings}
        self.output, self.group = open(self.log, "w"), ProcessorGroup()
        self.command = [*prefix, program("cloudlet-node"), "--log-format", "json", *options]
        self.env = dict(chain.env, **limits)

    def wait_for(self, words, times=1, patience=60):
        end = time.monotonic() + patience
        while open(self.log).read().count(words) < times:
            if time.monotonic() > end or self.job.poll() is not None:
                raise RuntimeError(open(self.log).read()[-2000:])
            time.sleep(0.05)

    def __enter__(self):
        self.group.make()
        self.job = subprocess.Popen(self.command, env=self.env, stdout=self.output, stderr=self.output,
                                    preexec_fn=self.group.enter)
        try:
            self.wait_for("node is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.job.terminate()
        self.job.wait(60)
        self.output.close()
        self.group.remove()

    def stage(self, name):
        """Seconds that a stage of the last synthesis took, as the node logs it."""
        return float(re.findall(rf"{name} ([0-9.]+) s", open(self.log).read())[-1])

    def cpu(self):
        """Processor seconds of the node so far."""
        fields = open(f"/proc/{self.job.pid}/stat").read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
