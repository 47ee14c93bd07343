# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""A small guest with the demo application, on a host with the packages."""

import tempfile
from pathlib import Path

from lab.hostlab.host import Host
from lab.programs import CHECKOUT, run

HOME = "/var/lib/cloudlet"
DISK, OVERLAY = f"{HOME}/guest/guest.raw", f"{HOME}/guest/face"
PORT = 9876
# Asks the application, on a host with the overlay.
ASK = "/root/face-client"
ASK_HERE = f"CLOUDLET_HOST=127.0.0.1 CLOUDLET_PORT_{PORT}={PORT} {ASK}"


def as_node(host: Host, command: str, timeout: float = 900) -> str:
    """Runs a command as `sudo -u cloudlet` does, whose files those of the guest are; returns its output."""
    user = f"runuser -u cloudlet -- env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 HOME={HOME}"
    return host.ssh.run(f"cd /; {{ {user} {command}; }} 2>&1", timeout)


def send_guest(host: Host) -> None:
    """Copies the disk of the guest, its key and its application to a host."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        disk = Path(directory, "guest.raw")
        run(CHECKOUT / "Scripts/make-guest", "--size", "512M", "-o", disk)
        host.send([disk, Path(f"{disk}.key")], f"{HOME}/guest")
    host.send([CHECKOUT / "Scripts/guest"], "/opt")
    host.send([CHECKOUT / "Scripts/guest/face-client"], "/root")
    host.ssh.run(f"chown -R cloudlet: {HOME}/guest")


def make_base(host: Host) -> str:
    """Makes the base VM under KVM; returns the output."""
    return as_node(host, f"cloudlet base {DISK} --memory 128 --cpus 2 --until-port 22 --accelerator kvm")


def make_overlay(host: Host) -> str:
    """Makes the overlay under KVM; returns the output."""
    options = f"--ready-port {PORT} --ssh-key {DISK}.key --provision /opt/guest/install-face --accelerator kvm"
    command = f"cloudlet overlay {DISK} -o {OVERLAY} {options} -- -redir tcp:{PORT}::{PORT}"
    return as_node(host, f"env FACE_KEY={DISK}.key {command}")


def move(name: str, source: Host, target: Host) -> None:
    """Copies files of the guest, named by a pattern, from one host to the same place on another."""
    files = source.ssh.run(f"ls -d {HOME}/guest/{name}").split()
    with tempfile.TemporaryDirectory(dir="/var/tmp") as directory:
        source.fetch(files, Path(directory))
        target.send(sorted(Path(directory).iterdir()), f"{HOME}/guest")
    target.ssh.run(f"getent passwd cloudlet >/dev/null && chown -R cloudlet: {HOME} || chmod -R a+rX {HOME}/guest")
