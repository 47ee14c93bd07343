// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// The node follows addresses and interfaces that come and go, and makes no noise about it.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct NetworkChangeLabTests {
    private let id = "11111111-1111-4111-8111-111111111111"

    @Test("addresses come and go: within 3 s both protocols lead to those that are there; ten changes make no storm")
    func addresses() async throws {
        try await LanLab.with(hosts: 2) { lab in
            _ = try await lab.run(2, ["ip", "address", "add", "10.99.0.2/24", "dev", "eth0"])
            try await lab.startNode(1, ["--id", id])
            try await until(8, "not found") { try await lab.find(2).last(id).contains("\"mdns\",\"ssdp\"") }
            try await lab.listen(2, "eth0")

            let further = { (verb: String) in
                _ = try await lab.run(1, ["ip", "address", verb, "10.99.0.1/24", "dev", "eth0"])
            }
            func quickly(_ origin: String, has address: String, not gone: String = "none") async throws {
                let time = try await until(8, "\(origin) does not lead to \(address) alone") {
                    let last = try await lab.find(2, ["--protocol", origin, "--timeout", "0.7"]).last(id)
                    return last.contains("\"\(address)\"") && !last.contains("\"\(gone)\"")
                }
                #expect(time < .seconds(3), "\(origin)")
            }
            // Each of an interface's subnets is led to the address it can reach.
            try await further("add")
            for origin in ["mdns", "ssdp"] {
                for address in ["10.77.0.2", "10.99.0.1"] { try await quickly(origin, has: address) }
            }
            _ = try await lab.run(1, ["ip", "address", "del", "10.77.0.2/16", "dev", "eth0"])
            let told = try await until(8, "the other address is not announced") {
                try await lab.heard(2, "eth0").contains("LOCATION: http://10.99.0.1:8022/")
            }
            #expect(told < .seconds(3))
            try await quickly("mdns", has: "10.99.0.1", not: "10.77.0.2")
            _ = try await lab.run(1, ["ip", "address", "add", "10.77.0.2/16", "dev", "eth0"])
            try await further("del")
            for origin in ["ssdp", "mdns"] { try await quickly(origin, has: "10.77.0.2", not: "10.99.0.1") }

            let before = try await lab.heard(2, "eth0").components("ssdp:alive")
            for _ in 0..<5 {
                try await further("add")
                try await further("del")
            }
            // What was to be announced has been; then no more comes.
            try await Task.sleep(for: .seconds(3))
            let after = try await lab.heard(2, "eth0").components("ssdp:alive")
            // On a slow machine each of the changes is announced by itself: at most twice, with five targets, for both
            // addresses when one has come, and for the other one when it has gone.
            #expect(after - before <= 5 * (2 + 1) * 2 * 5, "\(after - before) announcements")
            try await Task.sleep(for: .seconds(3))
            #expect(try await lab.heard(2, "eth0").components("ssdp:alive") == after, "still announcing")
            #expect(try await lab.find(2).last(id).contains("\"mdns\",\"ssdp\""))
        }
    }

    @Test("a second network that comes up is served within 3 s, and left when it goes")
    func interfaces() async throws {
        try await LanLab.with(hosts: 2) { lab in
            try await lab.startNode(1, ["--id", id])
            try await lab.script(["second-nic", "2"])
            try await lab.script(["second-nic", "1"])
            for origin in ["ssdp", "mdns"] {
                let time = try await until(8, "\(origin) is not there") {
                    try await lab.find(2, ["--protocol", origin, "--interface", "eth1", "--timeout", "0.7"]).last(id)
                        .contains("10.78.0.2")
                }
                #expect(time < .seconds(3), "\(origin)")
            }
            _ = try await lab.run(1, ["ip", "link", "del", "eth1"])
            try await until(3, "the network that is gone is still named") {
                let search = try await lab.find(2, ["--interface", "eth0", "--timeout", "1"])
                return search.found == [id] && !search.output.contains("10.78.")
            }
        }
    }
}
