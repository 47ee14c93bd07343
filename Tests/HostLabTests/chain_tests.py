# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The whole way of a cloudlet under KVM: a node installed as a service, its base VM and overlay, and a client on
another host."""

import json
import re
import time
from collections.abc import Callable
from typing import ClassVar

from lab.programs import CHECKOUT

from .guest import ASK, ASK_HERE, DISK, OVERLAY, as_node, make_base, make_overlay, move, send_guest
from .support import HostTestCase, install

NODE, CLIENT = 0, 1
CONFIGURATION = "/etc/cloudlet/cloudlet.yaml"
# The log of the service since its last start.
JOURNAL = "journalctl --output cat _SYSTEMD_INVOCATION_ID=$(systemctl show --value -p InvocationID cloudlet-node)"


def find(options: str) -> str:
    """The command that sends the overlay to the node. An emulated node that starts a VM may be too busy to answer a
    finder in time (status 2), which is then repeated."""
    command = f"cloudlet-find --overlay {OVERLAY} {options}"
    tries = f"for _ in 1 2 3 4 5; do status=0; {command} || status=$?; [ $status = 2 ] || break; done"
    return f"{{ {tries}; (exit $status); }}"


class ChainTests(HostTestCase):
    """A node with a base VM and an overlay on one host, and a client on another. The tests run in this order."""

    releases: ClassVar[dict[str, int]] = {"node": 12, "client": 12}
    times: ClassVar[dict[str, float]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        """Installs the node, and makes a base VM and an overlay on it."""
        super().setUpClass()
        node, client = cls.hosts
        cls.timed("install", lambda: install(node))
        install(client)
        send_guest(node)
        cls.timed("base", lambda: make_base(node))
        cls.timed("overlay", lambda: make_overlay(node))
        # This suite is about KVM, whatever the node's own examination finds in an emulated host.
        cls.set("accelerator", "kvm")
        node.ssh.run("systemctl restart cloudlet-node")
        move("face", node, client)
        client.send([CHECKOUT / "Scripts/guest/face-client"], "/root")

    @classmethod
    def set(cls, key: str, value: str) -> None:
        """Changes a setting in the file of the package, where it is commented out."""
        cls.hosts[NODE].ssh.run(
            f"grep -q '^ *#{key}:' {CONFIGURATION} && sed -i 's/#{key}:.*/{key}: {value}/' {CONFIGURATION}"
        )

    @classmethod
    def timed(cls, name: str, step: Callable[[], str]) -> str:
        """Runs a step, and notes its time; returns its output."""
        start = time.monotonic()
        output = step()
        cls.times[name] = round(time.monotonic() - start, 1)
        return output

    @classmethod
    def tearDownClass(cls) -> None:
        """Prints the times, which are results of this suite."""
        print("times in seconds:", json.dumps(cls.times))
        super().tearDownClass()

    def launch(self) -> str:
        """Sends the overlay from the client's host, and asks the application in its VM; returns all output."""
        return self.run_on(CLIENT, f"{find(f'--launch {ASK}')} 2>&1", limit=300)

    def wait_for(self, script: str, limit: float = 120) -> None:
        """Waits until a script succeeds on the node's host."""
        self.run_on(NODE, f"until {script}; do sleep 0.5; done", limit)

    def wait_for_warm_vm(self) -> None:
        """Waits until the node has done all that it does at its start."""
        self.wait_for(f"{JOURNAL} | grep -q 'warm VM is ready'")

    def test_1_service_is_whole(self) -> None:
        """The service runs as its user, confined, and doctor finds nothing wrong."""
        self.assertEqual(self.run_on(NODE, "systemctl is-active cloudlet-node"), "active\n")
        self.assertEqual(self.run_on(NODE, "ps -o user= -C cloudlet-node | sort -u"), "cloudlet\n")
        self.assertIn("cloudlet-node (enforce)", self.run_on(NODE, "ps -o label= -C cloudlet-node"))
        as_node(self.hosts[NODE], "cloudlet doctor")

    def test_2_synthesis_here(self) -> None:
        """`cloudlet synthesis` resumes the overlay under KVM, and the application answers."""
        command = f"cloudlet synthesis {DISK} {OVERLAY} --accelerator kvm --detach"
        said = self.timed("synthesis", lambda: as_node(self.hosts[NODE], command))
        self.assertIn('"app":"face"', self.run_on(NODE, ASK_HERE))
        vm = re.search(r"VM (\S+) runs", said)
        self.assertTrue(vm, said)
        self.run_on(NODE, f"pkill --full guest={vm[1] if vm else ''}")

    def test_3_overlay_of_another_host(self) -> None:
        """A client on another host finds the node; its VM runs under KVM, and the application answers."""
        self.wait_for_warm_vm()
        self.assertIn('"app":"face"', self.timed("find to answer", self.launch))

    def test_4_reload(self) -> None:
        """`systemctl reload` applies a setting."""
        self.set("name", "Renamed")
        self.run_on(NODE, "systemctl reload cloudlet-node")
        self.wait_for("curl -s http://192.168.77.1:8022/v1/node | grep -q Renamed")

    def test_5_watchdog(self) -> None:
        """A node that hangs is ended by systemd's watchdog, and started again."""
        before = self.run_on(NODE, "systemctl show --value -p MainPID cloudlet-node")
        self.run_on(NODE, f"kill -STOP {before}")
        self.wait_for(
            "test $(systemctl show --value -p NRestarts cloudlet-node) = 1 && systemctl is-active cloudlet-node", 200
        )
        self.wait_for_warm_vm()
        self.assertIn('"app":"face"', self.launch())

    def test_6_nothing_was_denied(self) -> None:
        """After all other tests: AppArmor and the sandbox have denied nothing."""
        self.assertEqual(self.run_on(NODE, "journalctl -k -o cat | grep -E 'apparmor=\"DENIED\"|SECCOMP' || true"), "")
        self.assertEqual(self.run_on(NODE, "systemctl is-system-running"), "running\n")
