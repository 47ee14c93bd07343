# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Base VMs and overlays made on one host, and resumed or booted on another."""

from typing import ClassVar

from lab.hostlab.emulator import Machine
from lab.hostlab.host import Host
from lab.programs import CHECKOUT

from .guest import ASK_HERE, DISK, HOME, OVERLAY, as_node, make_base, make_overlay, move, send_guest
from .support import HostTestCase, install

OLD, NEW, POOR = 0, 1, 2


class PortabilityTests(HostTestCase):
    """A host with Debian 12 (QEMU 7.2, libvirt 9) and a processor like AMD's, one with Debian 13 (QEMU 10, libvirt 11)
    and a processor like Intel's, and one whose processor lacks a feature of x86-64-v2. The tests run in this order."""

    releases: ClassVar[dict[str, int]] = {"old": 12, "new": 13, "poor": 12}
    # KVM uses SVM with no other vendor than AMD.
    machines: ClassVar[dict[str, Machine]] = {
        "new": Machine(cpu="Skylake-Client-noTSX-IBRS,vendor=AuthenticAMD"),
        "poor": Machine(cpu="EPYC,-sse4.2"),
    }

    @classmethod
    def setUpClass(cls) -> None:
        """Installs the packages."""
        super().setUpClass()
        for host in cls.hosts:
            install(host)
            # Its tests run no node, whose warm VMs would take the processors.
            host.ssh.run("systemctl disable --now cloudlet-node")
            host.send([CHECKOUT / "Scripts/guest/face-client"], "/root")

    def make(self, maker: Host) -> None:
        """Makes a base VM and an overlay on a host."""
        send_guest(maker)
        make_base(maker)
        make_overlay(maker)

    def move(self, maker: Host, user: Host) -> None:
        """Copies the base VM and the overlay to another host, and registers the base VM there."""
        as_node(user, f"cloudlet del-base {DISK} || true")
        user.ssh.run(f"rm -rf {HOME}/guest")
        move("*", maker, user)
        as_node(user, f"cloudlet add-base {DISK}")

    def synthesise(self, user: Host, *options: str) -> str:
        """Runs the overlay, asks the application in its VM, and ends it; returns what was said."""
        command = f"cloudlet synthesis {DISK} {OVERLAY} --accelerator kvm --detach {' '.join(options)}"
        said = self.times.measure(f"synthesis on {user.name}", lambda: as_node(user, command))
        self.assertIn('"app":"face"', user.ssh.run(ASK_HERE))
        vm = next(line.split()[1] for line in said.splitlines() if line.startswith("VM ") and line.endswith(" runs"))
        as_node(user, f"cloudlet stop-vm {vm}")
        return said

    def test_1_newer_host_resumes(self) -> None:
        """What was made on Debian 12 runs on Debian 13."""
        self.make(self.hosts[OLD])
        self.move(self.hosts[OLD], self.hosts[NEW])
        self.assertNotIn("boot", self.synthesise(self.hosts[NEW]))

    def test_2_poorer_host_boots(self) -> None:
        """A host whose processor lacks a feature refuses the same state, but boots its disk when that is allowed."""
        self.move(self.hosts[OLD], self.hosts[POOR])
        refused = as_node(self.hosts[POOR], f"cloudlet synthesis {DISK} {OVERLAY} --detach || true")
        self.assertIn("sse4.2", refused)
        self.assertIn("booted", self.synthesise(self.hosts[POOR], "--allow-boot"))

    def test_3_older_host_resumes(self) -> None:
        """What was made on Debian 13 runs on Debian 12."""
        as_node(self.hosts[NEW], f"cloudlet del-base {DISK}")
        self.hosts[NEW].ssh.run(f"rm -rf {HOME}/guest")
        self.make(self.hosts[NEW])
        self.move(self.hosts[NEW], self.hosts[OLD])
        self.assertNotIn("boot", self.synthesise(self.hosts[OLD]))
