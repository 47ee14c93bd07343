// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import SystemPackage
import Testing

/// Programs of others find our nodes.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct ForeignClientLabTests {
    private static let count = 5
    private let deviceType = "urn:schemas-upnp-org:device:CloudletServer:1"
    /// Made by Scripts/setup: PyPI has it, Debian does not.
    private static let upnpClient = Repository.root.appending(".build/venv/bin/upnp-client").string

    private func id(_ host: Int) -> String { "0000000\(host)-1111-4111-8111-111111111111" }

    /// The system's Python, which has what Debian installs.
    private func zeroconf(_ seconds: Double) -> String {
        """
        import time, zeroconf
        class L:
            def add_service(self, z, t, n):
                info = z.get_service_info(t, n)
                print(info.properties[b"id"].decode(), info.parsed_addresses()[0], info.port, flush=True)
            update_service = remove_service = lambda *a: None
        z = zeroconf.Zeroconf(interfaces=["10.77.0.7"])
        zeroconf.ServiceBrowser(z, "_cloudlet._tcp.local.", L())
        time.sleep(\(seconds))
        z.close()
        """
    }

    @Test("in a lab of five, every node is found by five programs of others")
    func everybody() async throws {
        try #require(LanLab.isInstalled("gssdp-discover"), "Scripts/setup test")
        try await LanLab.with(hosts: Self.count + 1) { lab in
            for host in 1...Self.count {
                try await lab.startNode(host, ["--id", id(host), "--name", "Node \(host)"])
            }
            let client = Self.count + 1
            try await until(10, "not everybody is announced") {
                try await lab.find(client).found.count == Self.count
            }
            async let gssdp = lab.run(
                client, ["gssdp-discover", "-i", "eth0", "-n", "3", "-t", deviceType, "-m", "available"])
            async let browse = lab.run(client, ["avahi-browse", "-rtp", "_cloudlet._tcp"])
            async let python = lab.run(client, ["/usr/bin/python3", "-c", zeroconf(3)])
            async let upnp = lab.run(
                client,
                [
                    Self.upnpClient, "--strict", "--timeout", "3", "search", "--bind", "10.77.0.7", "--search_target",
                    deviceType,
                ])
            // As Cling asks, which the Android client of 2013 is built on: everything, from a port of its own, MX 3.
            let all =
                "M-SEARCH * HTTP/1.1\r\nMAN: \"ssdp:discover\"\r\nMX: 3\r\nST: ssdp:all\r\nHOST: 239.255.255.250:1900\r\n\r\n"
            async let cling = lab.probe(client, to: "239.255.255.250", all, seconds: 3.5).map(\.text).joined()
            let outputs = try await [
                "gssdp-discover": gssdp, "avahi-browse": browse, "zeroconf": python, "upnp-client": upnp,
                "ssdp:all": cling,
            ]
            for (program, output) in outputs {
                for host in 1...Self.count {
                    #expect(output.contains(id(host)) && output.contains("10.77.0.\(host + 1)"), "\(program), \(host)")
                }
            }
            #expect(outputs["ssdp:all"]?.components("ST: \(deviceType)\r\n") == Self.count)
            // The strict client reads all documents and calls an action.
            let status = try await lab.run(
                client,
                [
                    Self.upnpClient, "--strict", "call-action", "http://10.77.0.2:8022/upnp/device.xml",
                    "Synthesis/GetStatus",
                ])
            #expect(status.contains("SessionCount"), "\(status)")
        }
    }
}
