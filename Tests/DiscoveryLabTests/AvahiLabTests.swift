// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// What is published through avahi follows the record, in the old name too.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct AvahiLabTests {
    private let id = "11111111-1111-4111-8111-111111111111"

    @Test("a new TXT record keeps nothing else waiting; both names have it, and fit avahi's groups (M25)")
    func follows() async throws {
        try await LanLab.with(hosts: 2) { lab in
            let bases = (0..<40).flatMap { number in
                ["--base", String(repeating: String(number + 256, radix: 16).suffix(2).description, count: 32)]
            }
            try await lab.startNode(1, ["--id", id, "--name", "First", "--old-name"] + bases)
            func records(_ type: String) async throws -> String {
                try await lab.run(2, ["avahi-browse", "-rtp", type])
            }
            for type in ["_cloudlet._tcp", "_cloudlet._udp"] {
                try await until(8, "\(type) is not there") { try await records(type).contains("\"load=30\"") }
            }
            try await lab.script(["say", "1", "node", "load 0.9"])
            for type in ["_cloudlet._udp", "_cloudlet._tcp"] {
                try await until(8, "\(type) has the old load") { try await records(type).contains("\"load=90\"") }
            }
            try await lab.script(["say", "1", "node", "load 0.1"])
            // The name changes while avahi is at work on the load.
            try await Task.sleep(for: .milliseconds(200))
            try await lab.script(["say", "1", "node", "name Second"])
            let time = try await until(10, "the name does not change") {
                let shown = try await records("_cloudlet._tcp")
                return shown.contains(";Second;") && !shown.contains(";First;")
            }
            #expect(time < .seconds(3))
            try await until(8, "the load is not told") { try await records("_cloudlet._tcp").contains("\"load=10\"") }
        }
    }

    @Test("a neighbour that claims every name is tried against within bounds, and only mDNS hears of it")
    func claimer() async throws {
        try await LanLab.with(hosts: 2) { lab in
            let claimer = """
                import socket, struct
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                s.bind(("", 5353))
                s.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton("224.0.0.251") + socket.inet_aton("10.77.0.3"))
                s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.3"))
                s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, 255)
                names = set()
                print("claiming", flush=True)
                while True:
                    data, sender = s.recvfrom(9000)
                    if sender[0] != "10.77.0.2" or data[2] & 0x80: continue
                    name = data[12:data.index(b"\\0", 12) + 1]
                    if b"Claimed" not in name: continue
                    target = b"\\x05other\\x05local\\0"
                    answer = name + struct.pack("!HHIH", 33, 0x8001, 120, 6 + len(target)) + struct.pack("!HHH", 0, 0, 9) + target
                    s.sendto(struct.pack("!HHHHHH", 0, 0x8400, 0, 1, 0, 0) + answer, ("224.0.0.251", 5353))
                    if name not in names:
                        names.add(name)
                        print("name", flush=True)
                """
            try await lab.script(["bg", "2", "claimer", "python3", "-c", claimer])
            try await until(5, "no claimer") { try await lab.script(["log", "2", "claimer"]).contains("claiming") }
            try await lab.listen(2, "eth0")
            try await lab.startNode(1, ["--id", id, "--name", "Claimed"])
            try await until(12, "no back-off") {
                try await lab.script(["log", "1", "node"]).contains("claims every name")
            }
            // Long enough for more names to be tried.
            try await Task.sleep(for: .seconds(6))
            let names = try await lab.script(["log", "2", "claimer"]).components("name\n")
            #expect(15...19 ~= names, "\(names) names tried")
            // One announcement by SSDP: two sets of five, in each of three groups.
            #expect(try await lab.heard(2, "eth0").components("ssdp:alive") == 30)
            #expect(try await lab.run(2, ["curl", "-s", "http://10.77.0.2:8022/v1/node"]).contains("\"Claimed\""))
        }
    }

    @Test("a node that had to take another name has the wished one when it is free again")
    func returning() async throws {
        try await LanLab.with(hosts: 2) { lab in
            try await lab.script(["bg", "2", "twin", "avahi-publish", "-s", "Wished", "_cloudlet._tcp", "9"])
            try await until(5, "no twin") { try await lab.script(["log", "2", "twin"]).contains("Established") }
            try await lab.startNode(1, ["--id", id, "--name", "Wished", "--return-after", "2"])
            func name() async throws -> String {
                let status = try await lab.run(2, ["curl", "-s", "http://10.77.0.2:8022/v1/node"])
                return status.firstMatch(of: /"name":"([^"]*)"/).map { String($0.1) } ?? ""
            }
            try await until(5, "not renamed") { try await name() == "Wished #2" }
            try await lab.script(["stop", "2", "twin"])
            try await until(12, "the wished name is not taken again") { try await name() == "Wished" }
            try await until(5, "mDNS shows the other name") {
                let shown = try await lab.run(2, ["avahi-browse", "-tp", "_cloudlet._tcp"])
                return shown.contains(";Wished;") && !shown.contains("Wished\\032")
            }
        }
    }
}
