# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Base VMs and overlays made on one host, and resumed or booted on another."""

from typing import ClassVar

from lab.hostlab.emulator import Machine
from lab.hostlab.host import Host
from lab.programs import CHECKOUT

from .guest import ASK_HERE, DISK, HOME, OVERLAY, as_node, make_base, make_overlay, move, send_guest
from .support import HostTestCase, install

OLD, NEW = 0, 1


class PortabilityTests(HostTestCase):
    """A host with Debian 12 (QEMU 7.2, libvirt 9) and a processor like AMD's, and one with Debian 13 (QEMU 10, libvirt
    11) and a processor like Intel's, without AES. Its vendor is AMD, because KVM uses SVM with no other."""

    releases: ClassVar[dict[str, int]] = {"old": 12, "new": 13}
    machines: ClassVar[dict[str, Machine]] = {"new": Machine(cpu="Skylake-Client-noTSX-IBRS,vendor=AuthenticAMD,-aes")}

    @classmethod
    def setUpClass(cls) -> None:
        """Installs the packages."""
        super().setUpClass()
        for host in cls.hosts:
            install(host)
            # Its tests run no node, whose warm VMs would take the processors.
            host.ssh.run("systemctl disable --now cloudlet-node")
            host.send([CHECKOUT / "Scripts/guest/face-client"], "/root")

    def make_and_move(self, maker: Host, user: Host, *options: str) -> None:
        """Makes a base VM and an overlay on one host, and registers the base VM on the other."""
        for host in self.hosts:
            as_node(host, f"cloudlet del-base {DISK} || true")
            host.ssh.run(f"rm -rf {HOME}/guest")
        send_guest(maker)
        make_base(maker, *options)
        make_overlay(maker)
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

    def test_newer_host_resumes(self) -> None:
        """What was made on Debian 12 runs on Debian 13."""
        self.make_and_move(self.hosts[OLD], self.hosts[NEW])
        self.assertNotIn("boot", self.synthesise(self.hosts[NEW]))

    def test_older_host_resumes(self) -> None:
        """What was made on Debian 13 runs on Debian 12."""
        self.make_and_move(self.hosts[NEW], self.hosts[OLD])
        self.assertNotIn("boot", self.synthesise(self.hosts[OLD]))

    def test_host_without_a_feature_boots(self) -> None:
        """A state that needs AES is refused on the host without, but its disk boots there when that is allowed."""
        self.make_and_move(self.hosts[OLD], self.hosts[NEW], "--cpu-model Westmere")
        refused = as_node(self.hosts[NEW], f"cloudlet synthesis {DISK} {OVERLAY} --detach || true")
        self.assertIn("aes", refused)
        self.assertIn("--allow-boot", refused)
        self.assertIn("booted", self.synthesise(self.hosts[NEW], "--allow-boot"))
