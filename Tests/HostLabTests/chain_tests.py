# SPDX-FileCopyrightText: 2026 the authors of Cloudlet
# SPDX-License-Identifier: Apache-2.0

"""The whole way of a cloudlet under KVM: a node installed as a service, its base VM and overlay, and a client on
another host."""

import json
import re
import time
from typing import ClassVar

from lab.programs import CHECKOUT
from lab.waiting import until

from .guest import ASK, ASK_HERE, DISK, OVERLAY, PORT, as_node, make_base, make_overlay, move, send_guest
from .support import HostTestCase, install

NODE, CLIENT = 0, 1
CONFIGURATION = "/etc/cloudlet/cloudlet.yaml"
# The log of the service since its last start.
JOURNAL = "journalctl --output cat _SYSTEMD_INVOCATION_ID=$(systemctl show --value -p InvocationID cloudlet-node)"

# The same guest in libvirtd, as a user could run it without a cloudlet.
PEER = f"""<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>peer</name><memory unit='MiB'>128</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='pc'>hvm</type></os><features><acpi/></features>
  <devices>
    <disk type='file' device='disk'><driver name='qemu' type='qcow2' discard='unmap'/>
      <source file='/var/lib/libvirt/images/peer.qcow2'/><target dev='vda' bus='virtio'/></disk>
    <memballoon model='none'/>
  </devices>
  <qemu:commandline>
    <qemu:arg value='-netdev'/>
    <qemu:arg value='user,id=n,hostfwd=tcp:127.0.0.1:2222-:22,hostfwd=tcp:127.0.0.1:{PORT + 1}-:{PORT}'/>
    <qemu:arg value='-device'/><qemu:arg value='virtio-net-pci,netdev=n,addr=0x10'/>
  </qemu:commandline>
</domain>"""


def find(options: str) -> str:
    """The command that sends the overlay to the node, with time enough for an emulated node to answer the search."""
    return f"cloudlet-find --timeout 20 --overlay {OVERLAY} {options}"


class ChainTests(HostTestCase):
    """A node with a base VM and an overlay on one host, and a client on another. The tests run in this order."""

    releases: ClassVar[dict[str, int]] = {"node": 12, "client": 12}

    @classmethod
    def setUpClass(cls) -> None:
        """Installs the node, and makes a base VM and an overlay on it."""
        super().setUpClass()
        node, client = cls.hosts
        install(node)
        install(client, package="cloudlet-find")
        send_guest(node)
        cls.times.measure("base", lambda: make_base(node))
        cls.times.measure("overlay", lambda: make_overlay(node))
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

    def launch(self) -> str:
        """Sends the overlay from the client's host, and asks the application in its VM; returns all output."""
        return self.run_on(CLIENT, f"{find(f'--launch {ASK}')} 2>&1", limit=300)

    def as_root(self, command: str) -> str:
        """Runs a command on the node's host as root; returns its output."""
        return self.run_on(NODE, f"cd /; {command} 2>&1", limit=300)

    def as_node(self, command: str) -> str:
        """Runs a command on the node's host as the user of the service; returns its output."""
        return as_node(self.hosts[NODE], command)

    def wait_for(self, script: str, limit: float = 120) -> None:
        """Waits until a script succeeds on the node's host."""
        self.run_on(NODE, f"until {script}; do sleep 0.5; done", limit)

    def wait_for_warm_vm(self) -> None:
        """Waits until the node has done all that it does at its start."""
        self.wait_for(f"{JOURNAL} | grep -q 'warm VM is ready'")

    def sessions(self) -> str:
        """The live sessions of the node."""
        return self.as_node("cloudlet list-session --format json")

    def test_1_service_is_whole(self) -> None:
        """The service runs as its user, confined, and doctor finds nothing wrong."""
        self.assertEqual(self.run_on(NODE, "systemctl is-active cloudlet-node"), "active\n")
        self.assertEqual(self.run_on(NODE, "ps -o user= -C cloudlet-node | sort -u"), "cloudlet\n")
        self.assertIn("cloudlet-node (enforce)", self.run_on(NODE, "ps -o label= -C cloudlet-node"))
        self.as_node("cloudlet doctor")

    def test_2_synthesis_here(self) -> None:
        """`cloudlet synthesis` resumes the overlay under KVM, and the application answers."""
        command = f"cloudlet synthesis {DISK} {OVERLAY} --accelerator kvm --detach"
        said = self.times.measure("synthesis", lambda: self.as_node(command))
        self.assertIn('"app":"face"', self.run_on(NODE, ASK_HERE))
        vm = re.search(r"VM (\S+) runs", said)
        self.assertTrue(vm, said)
        self.run_on(NODE, f"pkill --full guest={vm[1] if vm else ''}")

    def test_3_overlay_of_another_host(self) -> None:
        """A client on another host finds the node; its VM runs under KVM, and the application answers."""
        self.wait_for_warm_vm()
        self.assertIn('"app":"face"', self.times.measure("find to answer", self.launch))

    def test_4_reload(self) -> None:
        """`systemctl reload` applies a setting."""
        self.set("name", "Renamed")
        self.run_on(NODE, "systemctl reload cloudlet-node")
        self.wait_for("curl -s http://192.168.77.1:8022/v1/node | grep -q Renamed")

    def test_5_restart_and_upgrade_keep_vms(self) -> None:
        """With session.keep-vms, a VM and its ports outlive a restart of the service and an upgrade of the package."""
        self.set("keep-vms", "true")
        self.run_on(NODE, "systemctl restart cloudlet-node")
        self.wait_for_warm_vm()
        self.run_on(CLIENT, f"{find('--hold --format json')} >/root/held 2>/root/said &")
        self.wait_for_running_session()
        held = json.loads(self.run_on(CLIENT, "cat /root/held"))
        port = held["forwards"][0]["host_port"]
        ask = f"CLOUDLET_HOST={held['host']} CLOUDLET_PORT_{PORT}={port} {ASK}"
        vms = "pgrep -u cloudlet qemu-system"
        vm = set(self.run_on(NODE, vms).split())
        labels = self.run_on(NODE, f"for vm in $({vms}); do cat /proc/$vm/attr/current; done")
        self.assertEqual(set(labels.splitlines()), {"cloudlet-node//&cloudlet-node//qemu (enforce)"})
        for restarts in (True, False):
            if restarts:
                self.run_on(NODE, "systemctl restart cloudlet-node")
            else:
                install(self.hosts[NODE], "--reinstall")
            self.wait_for_running_session()
            vm &= set(self.run_on(NODE, vms).split())
            self.assertEqual(len(vm), 1)
            self.assertIn('"app":"face"', self.run_on(CLIENT, ask))
        self.as_node(f"cloudlet stop-session {held['session']}")
        self.assertTrue(until(lambda: '"running"' not in self.sessions(), 120), self.sessions())

    def wait_for_running_session(self) -> None:
        """Waits until the node reports a running VM."""
        self.assertTrue(until(lambda: '"running"' in self.sessions(), 120), self.run_on(NODE, JOURNAL))

    def test_6_watchdog(self) -> None:
        """A node that hangs is ended by systemd's watchdog, and started again."""
        before = self.run_on(NODE, "systemctl show --value -p MainPID cloudlet-node")
        self.run_on(NODE, f"kill -STOP {before}")
        self.wait_for(
            "test $(systemctl show --value -p NRestarts cloudlet-node) = 1 && systemctl is-active cloudlet-node", 200
        )
        self.wait_for_warm_vm()
        self.assertIn('"app":"face"', self.launch())

    def test_7_beside_libvirtd(self) -> None:
        """The node and libvirtd run VMs at the same time. The times of `virsh restore` are those of the same guest."""
        images = "/var/lib/libvirt/images"
        self.run_on(
            NODE, f"qemu-img convert -O qcow2 {DISK} {images}/peer.qcow2; cat >/root/peer.xml <<'END'\n{PEER}\nEND"
        )
        self.run_on(NODE, "virsh -q define /root/peer.xml; virsh -q start peer", 300)
        # install-face alone waits a minute, which is short for the first boot in an emulated host.
        self.wait_for("timeout 5 bash -c 'head -c 4 </dev/tcp/127.0.0.1/2222' | grep -q SSH", 300)
        self.run_on(NODE, f"CLOUDLET_VM_PORT_22=2222 FACE_KEY={DISK}.key /opt/guest/install-face", 300)
        self.assertIn('"app":"face"', self.launch())
        ask = ASK_HERE.replace(f"{PORT} ", f"{PORT + 1} ")
        times = []
        for _ in range(3):
            self.run_on(NODE, f"virsh -q save peer {images}/peer.save", 300)
            start = time.monotonic()
            self.run_on(NODE, f"virsh -q restore {images}/peer.save; {ask}", 300)
            times.append(round(time.monotonic() - start, 1))
        self.times.steps["virsh restore to answer"] = sorted(times)[1]

    def test_8_libvirt_daemons(self) -> None:
        """`--connect` runs the VM in the system's libvirtd, or in that of a user, beside the other VMs."""
        own = self.run_on(NODE, "virsh -q list --name")
        command = f"cloudlet synthesis {DISK} {OVERLAY} --accelerator kvm --detach --connect"
        self.run_on(NODE, f"cloudlet add-base {DISK}")
        for uri, run in (("qemu:///system", self.as_root), ("qemu:///session", self.as_node)):
            with self.subTest(uri=uri):
                said = run(f"{command} {uri}")
                self.assertIn('"app":"face"', self.run_on(NODE, ASK_HERE))
                vm = re.search(r"VM (\S+) runs", said)
                name = vm[1] if vm else ""
                self.assertIn(name, run(f"virsh -q -c {uri} list --name").split())
                run(f"cloudlet stop-vm {name}")
                self.assertNotIn(name, run(f"virsh -q -c {uri} list --all --name").split())
        self.assertEqual(self.run_on(NODE, "virsh -q list --name"), own)
        self.run_on(NODE, "virsh -q destroy peer || true; virsh -q undefine --managed-save peer")

    def test_9_nothing_was_denied(self) -> None:
        """After all other tests: AppArmor and the sandbox have denied nothing."""
        self.assertEqual(
            self.run_on(NODE, "journalctl -k -o cat | grep -E 'apparmor=\"DENIED\"|type=1326' || true"), ""
        )
        self.assertEqual(self.run_on(NODE, "systemctl is-system-running"), "running\n")
