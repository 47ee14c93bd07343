// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// The native engine asked by raw datagrams from another host: what the unit tests of parsing and matching can't show.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct SSDPProbeLabTests {
    private let id = "11111111-1111-4111-8111-111111111111"
    private let group = "239.255.255.250"

    private func search(_ target: String = "upnp:rootdevice", host: String, mx: String? = "1") -> String {
        "M-SEARCH * HTTP/1.1\r\nHOST: \(host):1900\r\nMAN: \"ssdp:discover\"\r\n" + (mx.map { "MX: \($0)\r\n" } ?? "")
            + "ST: \(target)\r\n\r\n"
    }

    @Test("answers come from the right address and port, to whoever may ask, and to nobody else")
    func answers() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            try await until(5, "no answer") { try await !lab.probe(2, to: group, search(host: group)).isEmpty }

            let all = try await lab.probe(2, to: group, search("ssdp:all", host: group))
            #expect(all.count == 5 && all.allSatisfy { $0.address == "10.77.0.2" && $0.port == 1900 }, "B01, B20")
            let unicast = try await lab.probe(2, to: "10.77.0.2", search(host: "10.77.0.2", mx: nil))
            #expect(unicast.count == 1 && unicast.first?.port == 1900, "B15")
            #expect(try await lab.probe(2, to: group, search(host: group, mx: nil)).isEmpty, "B10")
            #expect(try await lab.probe(2, to: group, search(host: group), port: 1900).count == 1, "B19")
            #expect(try await lab.probe(2, to: group, search("uuid:\(id)", host: group)).count == 1, "B03")

            for multicast in ["ff02::c", "ff05::c"] {
                let answers = try await lab.probe(2, to: multicast, search(host: "[\(multicast)]"), from: "::")
                #expect(answers.count == 1, "A18 \(multicast)")
                let location = multicast == "ff02::c" ? "LOCATION: http://[fe80::" : "LOCATION: http://[fd77::1]:"
                #expect(answers.first?.text.contains(location) == true && answers.first?.port == 1900)
            }

            // A way back exists, so silence is the node's own decision.
            _ = try await lab.run(2, ["ip", "addr", "add", "203.0.113.5/32", "dev", "eth0"])
            _ = try await lab.run(1, ["ip", "route", "add", "203.0.113.5/32", "dev", "eth0"])
            // HTTP tells them the status, for `cloudlet-find --host` from beyond a router, and nothing of UPnP.
            let page = ["curl", "-s", "-m", "2", "--interface", "203.0.113.5", "http://10.77.0.2:8022/"]
            #expect(try await lab.run(2, page.dropLast() + [(page.last ?? "") + "v1/node"]).contains(id))
            for path in ["upnp/device.xml", "upnp/synthesis.xml"] {
                let answer = try await lab.run(2, page.dropLast() + [(page.last ?? "") + path])
                #expect(answer.contains("hosts of this network only"))
            }
            #expect(try await lab.probe(2, to: group, search(host: group), from: "203.0.113.5").isEmpty, "B21")
            #expect(
                try await lab.probe(2, to: "10.77.0.2", search(host: "10.77.0.2", mx: nil), from: "203.0.113.5")
                    .isEmpty,
                "B21")
        }
    }

    /// Has another program on host 1 bind port 1900, and share it or not.
    private func bindOther(_ lab: LanLab, sharing: Bool) async throws {
        let other = """
            import socket, time
            s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, \(sharing ? 1 : 0))
            s.bind(("", 1900))
            print("bound", flush=True)
            time.sleep(60)
            """
        try await lab.script(["bg", "1", "other", "python3", "-c", other])
        try await until(5, "the other program can't bind") {
            try await lab.script(["log", "1", "other"]).contains("bound")
        }
    }

    @Test("the port is shared with other SSDP programs, and unicast searches still reach the node (B24)")
    func sharedPort() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            try await bindOther(lab, sharing: true)
            #expect(try await lab.probe(2, to: "10.77.0.2", search(host: "10.77.0.2", mx: nil)).count == 1)
            #expect(try await lab.probe(2, to: group, search(host: group)).count == 1)
        }
    }

    @Test("what can't be answered does not silence the node")
    func silence() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            func answers() async throws -> Bool {
                let alone = try await lab.probe(2, to: "10.77.0.2", search(host: "10.77.0.2", mx: nil))
                let all = try await lab.probe(2, to: group, search(host: group))
                return !alone.isEmpty && !all.isEmpty
            }
            try await until(5, "no answer") { try await answers() }

            let fromPortZero = """
                import socket, struct, sys
                text = sys.argv[1].encode()
                s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_UDP)
                s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton("10.77.0.3"))
                for place in ("239.255.255.250", "10.77.0.2"):
                    s.sendto(struct.pack("!HHHH", 0, 1900, 8 + len(text), 0) + text, (place, 0))
                """
            _ = try await lab.run(2, ["python3", "-c", fromPortZero, search(host: group)])
            // Nothing shows that the node has tried to answer.
            try await Task.sleep(for: .milliseconds(500))
            #expect(try await answers(), "source port 0")

            // Nothing can be sent to anybody for a while.
            _ = try await lab.run(1, ["ip", "route", "add", "prohibit", "10.77.0.3/32"])
            #expect(try await !answers())
            _ = try await lab.run(1, ["ip", "route", "del", "prohibit", "10.77.0.3/32"])
            #expect(try await answers(), "a way that is barred")
            // Never, not just no more: neither closed a socket.
            #expect(try await !lab.script(["log", "1", "node"]).contains("socket was lost"))
        }
    }

    @Test("a port that another program keeps for itself causes no updates; when it is free the node says so (A15)")
    func keptPort() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await bindOther(lab, sharing: false)
            try await lab.listen(2, "eth0")
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            try await until(5, "silent over IPv6") {
                try await !lab.probe(2, to: "ff02::c", search(host: "[ff02::c]"), from: "::").isEmpty
            }
            // It tries again every 5 s.
            try await Task.sleep(for: .seconds(12))
            #expect(try await lab.heard(2, "eth0").components("ssdp:update") == 0)
            #expect(try await lab.probe(2, to: group, search(host: group)).isEmpty)

            try await lab.script(["stop", "1", "other"])
            try await until(10, "silent over IPv4") { try await !lab.probe(2, to: group, search(host: group)).isEmpty }
            let words = try await lab.heard(2, "eth0").split(separator: "NOTIFY * HTTP/1.1").map(String.init)
            let updates = words.filter { $0.contains("ssdp:update") }
            #expect(updates.count == 10, "five targets to ff02::c and ff05::c")
            let number = try #require(updates.first?.split(separator: "NEXTBOOTID.UPNP.ORG: ").last).prefix(
                while: \.isNumber)
            for group in ["[ff02::c]:1900", "[ff05::c]:1900", "239.255.255.250:1900"] {
                try await until(3, "\(group) does not hear of BOOTID \(number)") {
                    try await lab.heard(2, "eth0").split(separator: "NOTIFY * HTTP/1.1").contains {
                        $0.contains("HOST: \(group)") && $0.contains("ssdp:alive")
                            && $0.contains("\nBOOTID.UPNP.ORG: \(number)")
                    }
                }
            }
        }
    }

    @Test("a flood from one host is answered within bounds, and the next host at once (B14, B17, B22)")
    func flood() async throws {
        try await LanLab.with(hosts: 3, avahi: false) { lab in
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            for garbage in ["", "\r\n\r\n", "M-SEARCH", String(repeating: "x", count: 8000)] {
                _ = try await lab.probe(2, to: group, garbage, seconds: 0.1)
            }
            let answers = try await lab.probe(2, to: group, search(host: group, mx: "2000000"), count: 3000, seconds: 2)
            #expect(answers.count >= 50 && answers.count <= 150)
            #expect(try await lab.probe(2, to: group, search(host: group)).count <= 12)
            #expect(try await lab.probe(3, to: group, search("ssdp:all", host: group)).count == 5)
        }
    }
}
