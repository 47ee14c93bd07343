// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// Nodes and finders on a LAN of namespaces, with foreign programs as witnesses.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct DiscoveryLabTests {
    private let first = "11111111-1111-4111-8111-111111111111"
    private let second = "22222222-2222-4222-8222-222222222222"
    private let deviceType = "urn:schemas-upnp-org:device:CloudletServer:1"

    @Test("two nodes are found once each over both protocols, by us and by foreign programs (X01, X05)")
    func everybodyFinds() async throws {
        try await LanLab.with(hosts: 3) { lab in
            try await lab.startNode(1, ["--id", first, "--name", "Küche & ☕"])
            try await lab.startNode(2, ["--id", second, "--name", "Other"])
            try await until(5, "mDNS does not show both") {
                try await lab.find(3, ["--protocol", "mdns", "--timeout", "1"]).found.count == 2
            }
            let search = try await lab.find(3)
            #expect(search.found.sorted() == [first, second])
            #expect(search.last(first).contains("\"origins\":[\"mdns\",\"ssdp\"]"))
            #expect(try #require(search.events.first).microseconds < 500_000)
            #expect(search.events.last?.sign == "=" && (search.events.last?.microseconds ?? .max) < 1_500_000)
            let gssdp = try await lab.run(
                3, ["gssdp-discover", "-i", "eth0", "-n", "3", "-t", deviceType, "-m", "available"])
            for id in [first, second] { #expect(gssdp.contains("uuid:\(id)::\(deviceType)")) }
            #expect(gssdp.contains("http://10.77.0.2:8022/") && gssdp.contains("http://10.77.0.3:8022/"))
            let browsed = try await lab.run(3, ["avahi-browse", "-rtp", "_cloudlet._tcp"])
            for id in [first, second] { #expect(browsed.contains("\"id=\(id)\"")) }
            // avahi-browse prints the strings of a TXT record in the opposite order: txtvers comes first on the wire.
            let resolved = browsed.split(separator: "\n").filter { $0.hasPrefix("=") }
            #expect(resolved.allSatisfy { $0.hasSuffix("\"txtvers=1\"") })
            // One host: the node's own.
            #expect(try await lab.find(1).found.sorted() == [first, second])
        }
    }

    @Test("a name that is taken is changed everywhere: UPnP, mDNS and status agree (X02)")
    func collision() async throws {
        try await LanLab.with(hosts: 3) { lab in
            try await lab.startNode(1, ["--id", first, "--name", "Same"])
            try await until(5, "the first is not announced") {
                try await lab.script(["log", "1", "node"]).contains("announced")
            }
            try await lab.startNode(2, ["--id", second, "--name", "Same"])
            try await until(5, "the second is not renamed") {
                try await lab.run(3, ["curl", "-s", "http://10.77.0.3:8022/upnp/device.xml"]).contains(
                    "<friendlyName>Same #2<")
            }
            try await until(5, "mDNS does not show the new name") {
                try await lab.run(3, ["avahi-browse", "-tp", "_cloudlet._tcp"]).contains(#"Same\032\0352"#)
            }
            let search = try await lab.find(3)
            #expect(
                search.last(first).contains("\"name\":\"Same\"") && search.last(second).contains("\"name\":\"Same #2\"")
            )
        }
    }

    @Test("a node that ends takes itself back within 2 s (X03); one that crashes is noticed")
    func leaving() async throws {
        try await LanLab.with(hosts: 3) { lab in
            try await lab.startNode(1, ["--id", first])
            try await lab.startNode(2, ["--id", second, "--name", "Other"])
            try await lab.watch(3)
            try await lab.listen(3, "eth0")
            try await until(5, "not both found") { try await lab.watched(3).found.count == 2 }
            try await lab.script(["bg", "3", "browser", "stdbuf", "-oL", "avahi-browse", "-p", "_cloudlet._tcp"])
            try await until(5, "mDNS does not show it") {
                try await lab.script(["log", "3", "browser"]).contains(/\+;eth0;IPv4;Test\\032node/)
            }
            // Long enough for the last announcement of its start, which could hide a goodbye.
            try await Task.sleep(for: .seconds(1))
            // Nodes say goodbye for an earlier life when they start, too, the other one maybe late on a busy machine.
            func goodbyes() async throws -> Int {
                try await lab.heard(3, "eth0").split(separator: "NOTIFY * HTTP/1.1").count {
                    $0.contains("ssdp:byebye") && $0.contains(first)
                }
            }
            let before = try await goodbyes()
            try await lab.script(["stop", "1", "node"])
            let left = try await until(5, "not lost") { try await lab.watched(3).lost == [first] }
            #expect(left < .seconds(2))
            // Two sets of five, on each of three address families and scopes (A11).
            try await until(2, "no byebye") { try await goodbyes() == before + 30 }
            let shown = try await until(2, "mDNS still shows it") {
                try await lab.script(["log", "3", "browser"]).contains(/-;eth0;IPv4;Test\\032node/)
            }
            #expect(shown < .seconds(2))
            try await lab.script(["kill9", "2", "node"])
            try await until(8, "the crash is not noticed") { try await lab.watched(3).lost == [first, second] }
            try await lab.startNode(1, ["--id", first])
            try await until(5, "not found again") { try await lab.watched(3).found.dropFirst(2) == [first] }
        }
    }

    @Test(
        "both protocols follow a changed address and a new network card within 3 s (X04, A09, M30)",
        arguments: ["native", "libupnp"])
    func followsTheNetwork(engine: String) async throws {
        try await LanLab.with(hosts: 2) { lab in
            try await lab.startNode(1, ["--id", first, "--engine", engine])
            try await until(8, "not found") { try await lab.find(2).last(first).contains("\"mdns\",\"ssdp\"") }
            try await lab.script(["readdr", "1", "10.77.3.3"])
            for origin in ["ssdp", "mdns"] {
                let time = try await until(8, "\(origin) does not follow the address") {
                    let search = try await lab.find(2, ["--protocol", origin, "--timeout", "0.7"])
                    return search.last(first).contains("10.77.3.3") && !search.output.contains("10.77.0.2")
                }
                #expect(time < .seconds(engine == "native" ? 3 : 5), "\(origin)")
            }
            try await lab.script(["renic", "1"])
            for origin in ["ssdp", "mdns"] {
                let time = try await until(8, "\(origin) does not follow the new card") {
                    try await lab.find(2, ["--protocol", origin, "--timeout", "0.7"]).last(first).contains("10.77.0.2")
                }
                #expect(time < .seconds(engine == "native" ? 3 : 5), "\(origin)")
            }
        }
    }

    @Test("the node survives the end of avahi and of D-Bus, and joins when they are back")
    func daemonsComeAndGo() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", first])
            try await until(3, "does not say that there is no responder") {
                try await lab.script(["log", "1", "node"]).contains("waiting: no mDNS responder")
            }
            func seen() async throws -> Bool {
                try await lab.find(2, ["--protocol", "mdns", "--timeout", "0.7"]).found == [first]
            }
            #expect(try await !seen())
            try await lab.script(["avahi-start", "1"])
            try await until(15, "does not join") { try await seen() }
            try await lab.script(["avahi-crash", "1"])
            try await until(5, "does not notice") {
                try await lab.script(["log", "1", "node"]).contains("connection to the mDNS responder was lost")
            }
            try await lab.script(["avahi-start", "1"])
            try await until(15, "does not join again") { try await seen() }
            func losses() async throws -> Int {
                try await lab.script(["log", "1", "node"]).components("connection to the mDNS responder was lost")
            }
            let before = try await losses()
            try await lab.script(["dbus-crash", "1"])
            try await until(5, "does not notice the end of D-Bus") { try await losses() > before }
            try await until(5, "avahi does not end with D-Bus") {
                try await !lab.run(1, ["ps", "-eo", "comm"]).contains("avahi-daemon")
            }
            try await lab.script(["avahi-start", "1"])
            try await until(20, "does not join after D-Bus") { try await seen() }
            #expect(try await lab.find(2, ["--protocol", "ssdp"]).found == [first])
        }
    }

    @Test("libupnp runs without rights and ports of its own, and is started again when it dies")
    func libupnpContained() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", first, "--engine", "libupnp", "--no-mdns"])
            let find: @Sendable () async throws -> Bool = {
                try await lab.find(2, ["--protocol", "ssdp", "--timeout", "0.7"]).found == [first]
            }
            try await until(5, "not found") { try await find() }
            let processes = try await lab.run(1, ["ps", "-eo", "user,pid,args"])
            let child = try #require(processes.split(separator: "\n").first { $0.contains("--upnp-engine-child") })
            let fields = child.split(separator: " ")
            #expect(fields[0] == "nobody")
            #expect(try await !lab.run(1, ["ss", "-tlnp"]).contains("pid=\(fields[1]),"))
            let port = try await lab.run(1, ["ss", "-ulnp"]).split(separator: "\n").filter {
                $0.contains("pid=\(fields[1]),")
            }
            #expect(port.contains { $0.contains(":1900") })
            _ = try await lab.run(1, ["kill", "-KILL", String(fields[1])])
            try await until(5, "not started again") { try await find() }
            let gssdp = try await lab.run(
                2, ["gssdp-discover", "-i", "eth0", "-n", "3", "-t", deviceType, "-m", "available"])
            #expect(gssdp.contains("uuid:\(first)::\(deviceType)"))
            try await Self.requireNoGoodbye(lab)
            try await lab.script(["stop", "1", "node"])
            try await until(5, "the process outlives the node") {
                try await !lab.run(1, ["ps", "-eo", "args"]).contains("--upnp-engine-child")
            }
        }
    }

    /// Requires that the node's last messages are announcements, however often its name changes.
    private static func requireNoGoodbye(_ lab: LanLab) async throws {
        try await lab.listen(2, "eth0")
        for number in 1...8 { try await lab.script(["say", "1", "node", "name Name \(number)"]) }
        try await until(5, "not announced anew") { try await lab.heard(2, "eth0").contains("ssdp:alive") }
        // Long enough for a late goodbye.
        try await Task.sleep(for: .seconds(5))
        let words = try await lab.heard(2, "eth0").split(separator: "\n").filter { $0.contains("NTS: ssdp:") }
        #expect(words.count >= 12 && words.suffix(8).allSatisfy { $0.contains("ssdp:alive") }, "\(words)")
    }

    @Test(
        "each of two networks hears the address that is right there, and only chosen ones hear any (A19, A20, B23)",
        arguments: ["native", "libupnp"])
    func twoNetworks(engine: String) async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.script(["second-nic", "1"])
            try await lab.script(["second-nic", "2"])
            for interface in ["eth0", "eth1"] { try await lab.listen(2, interface) }
            try await lab.startNode(1, ["--id", first, "--engine", engine, "--no-mdns"])
            for (interface, address) in [("eth0", "10.77.0.2"), ("eth1", "10.78.0.2")] {
                try await until(5, "not found on \(interface)") {
                    try await lab.find(2, ["--interface", interface, "--timeout", "0.7"]).last(first).contains(address)
                }
                let other = address == "10.77.0.2" ? "10.78." : "10.77."
                try await until(2, "not announced on \(interface)") {
                    try await lab.heard(2, interface).components("LOCATION: http://\(address):") >= 10
                }
                #expect(try await lab.heard(2, interface).components("LOCATION: http://\(other)") == 0)
                #expect(try await !lab.find(2, ["--interface", interface]).output.contains(other))
            }
            try await lab.script(["stop", "1", "node"])
            // As long as the first one has the port, a second one takes another.
            try await until(5, "the node goes on") { try await lab.run(1, ["ss", "-Hltn", "sport = :8022"]).isEmpty }
            try await lab.startNode(
                1, ["--id", first, "--engine", engine, "--no-mdns", "--interface", "eth1"], at: "10.78.0.2")
            try await until(5, "not found on eth1") { try await lab.find(2, ["--interface", "eth1"]).found == [first] }
            #expect(try await lab.find(2, ["--interface", "eth0", "--timeout", "1"]).found.isEmpty)
            #expect(try await lab.run(2, ["curl", "-s", "-m", "1", "http://10.77.0.2:8022/v1/node"]).isEmpty)
        }
    }

    @Test("on a machine whose only network is loopback, node and finder meet", arguments: ["native", "libupnp"])
    func loopback(engine: String) async throws {
        try await LanLab.with(hosts: 1, avahi: false) { lab in
            _ = try await lab.run(1, ["ip", "link", "del", "eth0"])
            try await lab.startNode(1, ["--id", first, "--engine", engine, "--no-mdns"], at: "127.0.0.1")
            try await until(5, "not found") { try await lab.find(1).found == [first] }
        }
    }

    @Test("a search without result says why")
    func explanations() async throws {
        try await LanLab.with(hosts: 3, avahi: false) { lab in
            #expect(try await lab.find(3, ["--timeout", "1"]).output.contains("not even other devices"))
            try await lab.startNode(1, ["--id", first, "--closed", "--no-mdns"])
            try await until(5, "the closed port is not explained") {
                try await lab.find(3, ["--timeout", "1"]).output.contains("port 8021 of 10.77.0.2 is not open")
            }
            try await lab.startNode(2, ["--id", second, "--no-mdns"])
            let search = try await lab.find(3, ["--host", "10.77.0.3"])
            #expect(search.found == [second])
            for host in ["1", "2", "3"] { try await lab.script(["isolate", host, "on"]) }
            #expect(try await lab.find(3, ["--timeout", "1"]).output.contains("isolate its clients"))
        }
    }

    @Test("nodes found once are asked directly the next time, also where multicast is dropped")
    func remembered() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", first, "--no-mdns"])
            let state = ["--state", "/run/finder"]
            try await until(5, "not found") { try await lab.find(2, state).found == [first] }
            try await lab.script(["mcast", "off"])
            #expect(try await lab.find(2, ["--timeout", "1"]).found.isEmpty)
            let search = try await lab.find(2, state)
            #expect(search.found == [first] && search.last(first).contains("\"known\""))
        }
    }
}
