// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Foundation
import SystemPackage
import Testing

/// `cloudlet doctor` on machines with one fault each, made in namespaces.
@Suite(
    .serialized, .timeLimit(.minutes(3)),
    .enabled(if: EndToEndRequirements.missing.isEmpty, "needs \(EndToEndRequirements.missing.joined(separator: ", "))"))
struct DoctorTests {
    private struct Finding: Decodable {
        let check: String
        let state: String
        let detail: String
        let fix: String?
    }

    let scratch: ScratchDirectory

    init() throws { scratch = try ScratchDirectory() }

    /// A healthy LAN host but for what `fault` does in its namespaces first.
    private func examine(
        _ fault: String = ":", environment: [String: String] = [:]
    ) async throws -> (findings: [String: [String]], status: Int32) {
        let script = """
            set -e
            ip link set lo up; ip link add eth0 type veth peer name peer0
            unshare -n sleep 60 &
            until [ "$(readlink /proc/$!/ns/net)" != "$(readlink /proc/$$/ns/net)" ]; do :; done
            ip link set peer0 netns $!; nsenter -t $! -n ip link set peer0 up
            ip addr add 10.9.0.1/24 dev eth0; ip link set eth0 up; ip route add 224.0.0.0/4 dev eth0
            mount -t tmpfs none /run; mkdir -p /run/dbus /run/avahi-daemon
            listen() { exec 9< <(exec python3 -u -c '\(Self.listener)' "$@"); read -r -u 9; }
            listen unix /run/dbus/system_bus_socket; listen unix /run/avahi-daemon/socket
            \(fault)
            set +e; '\(Program.path("cloudlet"))' doctor --format json; echo "status $?"; kill $(jobs -p)
            """
        let result = try await Tool.run(
            "unshare", ["-n", "-m", "-p", "-f", "--mount-proc", "bash", "-c", script],
            environment: ["CLOUDLET_HOME": scratch.file("home").string].merging(environment) { $1 })
        let parts = result.output.split(separator: "status ")
        let list = try JSONDecoder().decode(
            [Finding].self, from: Data(try #require(parts.first, "\(result.errors)").utf8))
        #expect(list.allSatisfy { ($0.state == "ok") == ($0.fix == nil) }, "a fault without a remedy, or the reverse")
        let findings = Dictionary(
            list.map { ($0.check, [$0.state, $0.detail, $0.fix ?? ""]) }, uniquingKeysWith: { first, _ in first })
        return (findings, Int32(parts.last?.filter(\.isNumber) ?? "") ?? -1)
    }

    private static let listener = """
        import socket, sys, time
        kind, where = sys.argv[1:]
        s = socket.socket(*{"unix": (socket.AF_UNIX, socket.SOCK_STREAM), "tcp": (socket.AF_INET, socket.SOCK_STREAM),
                            "udp": (socket.AF_INET, socket.SOCK_DGRAM)}[kind])
        s.bind(where if kind == "unix" else ("0.0.0.0", int(where)))
        kind == "udp" or s.listen(9)
        print("ready")
        time.sleep(60)
        """

    @Test("a machine that can be a node passes, with no more than warnings")
    func healthy() async throws {
        let (findings, status) = try await examine()
        #expect(status == 0)
        for check in [
            "libvirt", "apparmor", "home", "disk", "tmp", "network", "port 8021/tcp", "port 8022/tcp", "port 1900/udp",
            "mdns",
        ] {
            #expect(findings[check]?[0] == "ok", "\(check): \(findings[check] ?? [])")
        }
        #expect(findings["kvm"] != nil && findings["memory"] != nil && findings["descriptors"] != nil)
        #expect(findings["bases"]?[0] == "warn" && findings["bases"]?[2] == "cloudlet add-base DISK")
        #expect(findings["network"]?[1].hasPrefix("eth0 10.9.0.1") == true && findings["qemu"]?[0] == "ok")
    }

    @Test(
        "each fault is found, explained, and has a remedy",
        arguments: [
            ("ip link set eth0 down", "network", "fail", "no LAN interface is up", "ip link set dev"),
            (
                "ip link set eth0 multicast off", "network", "fail", "has multicast off", "multicast on"
            ),
            (
                "ip route del 224.0.0.0/4", "network", "warn", "no route for multicast",
                "ip route add 224.0.0.0/4 dev eth0"
            ),
            ("listen tcp 8021", "port 8021/tcp", "fail", "taken by python3 (", "kill "),
            ("listen tcp 8022", "port 8022/tcp", "warn", "will take another one", "--http-port"),
            ("listen udp 1900", "port 1900/udp", "fail", "keeps it for itself", "--upnp-engine off"),
            (
                "rm /run/dbus/system_bus_socket", "mdns", "warn", "system bus does not answer",
                "systemctl enable --now dbus"
            ),
            ("rm /run/avahi-daemon/socket", "mdns", "warn", "avahi-daemon does not run", "install avahi-daemon"),
            (
                "mkdir -p $CLOUDLET_HOME/t; mount -t tmpfs -o size=8k none $CLOUDLET_HOME/t; export TMPDIR=$CLOUDLET_HOME/t",
                "tmp", "fail", "/t, 1 MiB needed", "df -h"
            ),
            (
                "mkdir -p $CLOUDLET_HOME; mount -t tmpfs -o size=64M none $CLOUDLET_HOME", "disk", "fail", "needed",
                "df -h"
            ),
            ("mkdir -p $CLOUDLET_HOME; chmod 755 $CLOUDLET_HOME", "home", "warn", "other users", "chmod 700"),
            (
                "mkdir -p $CLOUDLET_HOME; echo x > $CLOUDLET_HOME/cloudlet.db", "bases", "fail",
                "can't open the registry", "mv "
            ),
            (
                "mount --bind /bin/false $(command -v qemu-system-x86_64)", "qemu", "fail", "does not run guest code",
                "--reinstall qemu"
            ),
            ("ulimit -n 256", "descriptors", "warn", "256 open files", "ulimit -n 1536"),
            (
                "mount -t tmpfs none /sys/module; mkdir -p /sys/module/apparmor/parameters; echo Y > /sys/module/apparmor/parameters/enabled; export CLOUDLET_HYPERVISOR_CONNECT=test:///default",
                "apparmor", "warn", "does not allow", "/etc/apparmor.d/local"
            ),
            ("export CLOUDLET_HYPERVISOR_CONNECT=qemu:///nowhere", "libvirt", "fail", "qemu:///nowhere", "virsh -c"),
        ])
    func fault(_ fault: (script: String, check: String, state: String, detail: String, fix: String)) async throws {
        let (findings, status) = try await examine(fault.script)
        let finding = try #require(findings[fault.check], "\(findings)")
        #expect(finding[0] == fault.state, "\(finding)")
        #expect(finding[1].contains(fault.detail), "\(finding)")
        #expect(finding[2].contains(fault.fix), "\(finding)")
        #expect(status == (fault.state == "fail" ? 69 : 0))
    }

    @Test("a base VM that was changed is named")
    func base() async throws {
        let chain = try await EndToEndFixture.shared.chain()
        let good = try await examine(environment: chain.environment)
        #expect(good.findings["base guest"]?[0] == "ok", "\(good.findings)")
        let bad = try await examine(
            "mkdir /run/x; cp -r '\(chain.home)' /run/x/home; "
                + "python3 -c 'import sqlite3; c = sqlite3.connect(\"/run/x/home/cloudlet.db\"); "
                + "c.execute(\"UPDATE base_vm SET refused = seen, seen = NULL\"); c.commit()'; export CLOUDLET_HOME=/run/x/home",
            environment: chain.environment)
        #expect(bad.findings["base guest"]?[0] == "fail" && bad.status == 69)
        #expect(bad.findings["base guest"]?[1].contains("was changed after it became a base VM") == true)
    }
}
