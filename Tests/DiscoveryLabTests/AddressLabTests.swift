// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// Addresses and interfaces of less usual kinds are as good as others.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct AddressLabTests {
    private let id = "11111111-1111-4111-8111-111111111111"
    private let group = "239.255.255.250"

    private func search(_ host: String) -> String {
        "M-SEARCH * HTTP/1.1\r\nHOST: \(host):1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n"
    }

    @Test("of two subnets on one link each is led to the address it can reach, by one answer; no goodbye is said")
    func subnets() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            for (host, address) in [(1, "10.99.0.1/24"), (2, "10.99.0.2/24")] {
                _ = try await lab.run(host, ["ip", "address", "add", address, "dev", "eth0"])
            }
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            for (own, other) in [("10.77.0.2", "10.77.0.3"), ("10.99.0.1", "10.99.0.2")] {
                try await until(5, "\(own) does not answer") {
                    try await lab.probe(2, to: group, search(group), from: other).map(\.address) == [own]
                }
                let answers = try await lab.probe(2, to: group, search(group), from: other)
                #expect(answers.count == 1 && answers[0].text.contains("LOCATION: http://\(own):8022/"), "\(own)")
            }
            try await lab.listen(2, "eth0")
            _ = try await lab.run(1, ["ip", "address", "del", "10.99.0.1/24", "dev", "eth0"])
            try await until(5, "the rest is not announced") {
                try await lab.heard(2, "eth0").components("LOCATION: http://10.77.0.2:") >= 10
            }
            _ = try await lab.run(1, ["ip", "address", "add", "10.99.0.1/24", "dev", "eth0"])
            try await until(5, "the further address is not announced") {
                try await lab.heard(2, "eth0").components("LOCATION: http://10.99.0.1:") >= 10
            }
            #expect(try await lab.heard(2, "eth0").components("ssdp:byebye") == 0)
        }
    }

    @Test("addresses that are valid but no more preferred are served on, IPv6 ones where there is no other")
    func deprecated() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            for address in ["10.77.0.2/16", "fd77::1/64"] {
                _ = try await lab.run(1, ["ip", "address", "change", address, "dev", "eth0", "preferred_lft", "0"])
            }
            #expect(try await lab.run(1, ["ip", "address"]).components(" deprecated") == 2)
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            for (host, location) in [(group, "http://10.77.0.2:"), ("ff05::c", "http://[fd77::1]:")] {
                let literal = host.contains(":") ? "[\(host)]" : host
                try await until(5, "no answer by \(host)") {
                    try await lab.probe(2, to: host, search(literal), from: literal == host ? "" : "::")
                        .map { $0.text.contains("LOCATION: \(location)") } == [true]
                }
            }
            _ = try await lab.run(1, ["ip", "address", "add", "fd88::1/64", "dev", "eth0", "nodad"])
            try await until(5, "the deprecated address is preferred") {
                try await lab.probe(2, to: "ff05::c", search("[ff05::c]"), from: "::")
                    .map { $0.text.contains("LOCATION: http://[fd88::1]:") } == [true]
            }
            #expect(try await lab.run(2, ["curl", "-s", "-m", "2", "http://[fd77::1]:8022/v1/node"]).contains(id))
        }
    }

    @Test("a bridge with a name of the user's is a LAN, its port is none; what is left out is told")
    func bridge() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            for command in [
                "link add br-lan type bridge", "link set br-lan up", "address del 10.77.0.2/16 dev eth0",
                "link set eth0 master br-lan", "address add 10.77.0.2/16 dev br-lan",
                "link add br-0123456789ab type bridge", "link add port0 type veth peer name port1",
                "link set port0 master br-0123456789ab", "link set port0 up", "link set port1 up",
                "link set br-0123456789ab up", "address add 172.18.0.1/16 dev br-0123456789ab",
            ] { _ = try await lab.run(1, ["ip"] + command.split(separator: " ").map(String.init)) }
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            try await until(5, "no answer") {
                try await lab.probe(2, to: group, search(group)).map(\.address) == ["10.77.0.2"]
            }
            let log = try await lab.script(["log", "1", "node"])
            #expect(log.contains("br-0123456789ab (a bridge of Docker)") && log.contains("eth0 (a port of a bridge)"))
            #expect(try await !lab.run(1, ["ss", "-Hltn"]).contains("172.18.0.1:8022"))
        }
    }
}
