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

    @Test("the port is shared with other SSDP programs, and unicast searches still reach the node (B24)")
    func sharedPort() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            let other = """
                import socket, time
                s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                s.setsockopt(1, 2, 1)
                s.bind(("", 1900))
                print("bound", flush=True)
                time.sleep(60)
                """
            try await lab.script(["bg", "1", "other", "python3", "-c", other])
            try await until(5, "the other program can't bind") {
                try await lab.script(["log", "1", "other"]).contains("bound")
            }
            #expect(try await lab.probe(2, to: "10.77.0.2", search(host: "10.77.0.2", mx: nil)).count == 1)
            #expect(try await lab.probe(2, to: group, search(host: group)).count == 1)
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
