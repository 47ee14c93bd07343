# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""Installing, upgrading and removing the packages on fresh hosts."""

import json
from typing import ClassVar

from .guest import HOME, as_node
from .support import HostTestCase, install

NODE, CLIENT = 0, 1
CONFIGURATION = "/etc/cloudlet/cloudlet.yaml"
DRIVER = "/usr/lib/x86_64-linux-gnu/libvirt/connection-driver/libvirt_driver_qemu.so"

# What is wrong, how it is mended, which check of doctor names it, and a part of what it says.
FAULTS = (
    ("chmod 600 /dev/kvm", "chmod 660 /dev/kvm", "kvm", "usermod -aG kvm"),
    ("chmod a-x /usr/bin/qemu-system-x86_64", "chmod a+x /usr/bin/qemu-system-x86_64", "qemu", "qemu-system-x86_64"),
    (f"mv {DRIVER} /root", f"mv /root/{DRIVER.rsplit('/', 1)[1]} {DRIVER}", "libvirt", "libvirt-daemon-driver-qemu"),
    (f"chown root {HOME}", f"chown cloudlet {HOME}", "home", f"{HOME} belongs to another user"),
    ("ip link set enp0s4 multicast off", "ip link set enp0s4 multicast on", "network", "enp0s4, multicast is off"),
    (
        "systemctl stop cloudlet-node; systemd-run -q --unit taker python3 -m http.server 8021;"
        " until curl -s 127.0.0.1:8021 >/dev/null; do sleep 0.2; done",
        "systemctl stop taker; systemctl start cloudlet-node",
        "port 8021/tcp",
        "taken by a program of another user",
    ),
    (
        "systemctl --quiet mask --runtime --now avahi-daemon.socket avahi-daemon",
        "systemctl --quiet unmask --runtime avahi-daemon.socket avahi-daemon; systemctl start avahi-daemon",
        "mdns",
        "avahi-daemon does not run",
    ),
)


class PackageTests(HostTestCase):
    """A fresh Debian 12, and another one that looks for it. The tests are the steps of one life, in this order."""

    releases: ClassVar[dict[str, int]] = {"node": 12, "client": 12}

    @classmethod
    def setUpClass(cls) -> None:
        """Installs the node on one host, and the client on the other."""
        super().setUpClass()
        cls.times.measure("install cloudlet", lambda: install(cls.hosts[NODE]))
        cls.times.measure("install cloudlet-find", lambda: install(cls.hosts[CLIENT], package="cloudlet-find"))

    def test_1_installation_gives_a_running_node(self) -> None:
        """After `apt install`, the node is active, and found from another host."""
        status = self.run_on(NODE, "systemctl status cloudlet-node; systemctl is-system-running")
        self.assertIn("Active: active (running)", status)
        self.assertTrue(status.endswith("\nrunning\n"), status)
        found = self.times.measure("cloudlet-find", lambda: self.run_on(CLIENT, "cloudlet-find --timeout 20"))
        self.assertIn("Cloudlet node", found)

    def test_2_node_is_confined(self) -> None:
        """The node has no privileges, sees a system that it can't change, and may not start a shell."""
        pid = self.run_on(NODE, "systemctl show --value -p MainPID cloudlet-node").strip()
        status = dict(
            line.split(":\t", 1) for line in self.run_on(NODE, f"cat /proc/{pid}/status").splitlines() if ":\t" in line
        )
        for field in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
            self.assertEqual(int(status[field], 16), 0, field)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.assertEqual(self.run_on(NODE, f"cat /proc/{pid}/attr/current"), "cloudlet-node (enforce)\n")
        within = f"nsenter --target {pid} --mount --"
        for place in ("/usr/bin", "/etc/cloudlet", "/home", "/root"):
            self.run_on(NODE, f"! {within} touch {place}/written 2>/dev/null")
        self.run_on(NODE, f"{within} touch {HOME}/written && rm {HOME}/written")
        confined = "runuser -u cloudlet -- aa-exec --immediate --profile cloudlet-node --"
        self.assertIn("cloudlet-node", self.run_on(NODE, f"{confined} /usr/bin/cloudlet-node --help"))
        self.assertIn("Permission denied", self.run_on(NODE, f"{confined} /bin/sh -c true 2>&1 || true"))

    def test_3_doctor_names_what_is_wrong(self) -> None:
        """Each fault of an installation is named by one check of doctor, which is fine again when it is mended."""

        def findings() -> dict[str, dict[str, str]]:
            found = json.loads(as_node(self.hosts[NODE], "cloudlet doctor --format json || true"))
            return {finding["check"]: finding for finding in found}

        sound = findings()
        self.assertEqual([name for name, finding in sound.items() if finding["state"] == "fail"], [], sound)
        for damage, repair, check, text in FAULTS:
            with self.subTest(check=check):
                self.run_on(NODE, damage)
                try:
                    finding = findings()[check]
                finally:
                    self.run_on(NODE, repair)
                self.assertNotEqual(finding["state"], "ok")
                self.assertIn(text, json.dumps(finding))
        again = findings()
        self.assertEqual(
            {name: finding["state"] for name, finding in again.items()},
            {name: finding["state"] for name, finding in sound.items()},
        )

    def test_4_upgrade_keeps_configuration_and_state(self) -> None:
        """Installing the package again keeps what was configured and stored."""
        self.run_on(
            NODE, f"sed -i 's/^#name:.*/name: Kept/' {CONFIGURATION}; systemctl reload cloudlet-node; touch {HOME}/mine"
        )
        stored = f"find {HOME} -maxdepth 1 -type f | sort; cat {CONFIGURATION}"
        before = self.run_on(NODE, stored), self.identity()
        self.assertIn("Kept", before[1])
        install(self.hosts[NODE], "--reinstall")
        self.run_on(NODE, "systemctl is-active cloudlet-node")
        self.assertEqual((self.run_on(NODE, stored), self.identity()), before)

    def identity(self) -> str:
        """The id and the name of the node, as it tells them to clients."""
        found = json.loads(self.run_on(NODE, "cloudlet-find --host 192.168.77.1 --format json"))
        return f"{found['node']['id']} {found['node']['name']}"

    def test_5_removal_stops_and_purge_removes(self) -> None:
        """Removal ends the node and keeps its files; purge removes them."""
        self.run_on(NODE, "apt-get remove --yes cloudlet; ! systemctl is-active cloudlet-node; ! pgrep -u cloudlet")
        self.run_on(NODE, f"test -e {CONFIGURATION} && test -d {HOME}")
        self.run_on(NODE, "apt-get purge --yes cloudlet")
        places = "/etc /var/lib/cloudlet /run/cloudlet /usr/bin /usr/lib /usr/share"
        self.assertEqual(self.run_on(NODE, f"find {places} -name '*cloudlet*' 2>/dev/null || true"), "")
        self.assertEqual(self.run_on(NODE, "systemctl is-system-running"), "running\n")


class Package13Tests(PackageTests):
    """The same on Debian 13."""

    releases: ClassVar[dict[str, int]] = {"node": 13, "client": 13}
