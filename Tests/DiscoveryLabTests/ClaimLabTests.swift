// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// What finders do with what strangers, reflectors and links of several networks tell them.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct ClaimLabTests {
    private let id = "11111111-1111-4111-8111-111111111111"

    /// Runs `cloudlet-find`; its exit status comes last.
    private func find(_ lab: LanLab, _ host: Int, _ arguments: [String]) async throws -> String {
        let line = "timeout 15 \(LanLab.program("cloudlet-find")) \(arguments.joined(separator: " ")) 2>&1"
        return try await lab.run(host, ["sh", "-c", "CLOUDLET_HOME=/run/find \(line); echo \"status $?\""])
    }

    @Test("a host that a stranger names is asked for its status and for nothing else, a few times")
    func thirdParty() async throws {
        let victim = """
            import http.server, os
            class Handler(http.server.BaseHTTPRequestHandler):
                def do_GET(self):
                    os.write(1, ("asked %s\\n" % self.path).encode())
                    self.send_response(302 if self.path == "/v1/node" else 200)
                    self.send_header("Location", "/cgi-bin/reboot?now=1")
                    self.end_headers()
                log_message = lambda *a: None
            print("ready", flush=True)
            http.server.ThreadingHTTPServer(("", 80), Handler).serve_forever()
            """
        let liar = """
            import socket, uuid
            heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            heard.bind(("", 1900))
            heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                             socket.inet_aton("239.255.255.250") + socket.inet_aton("10.77.0.3"))
            print("ready", flush=True)
            kind = "urn:schemas-upnp-org:device:CloudletServer:1"
            while True:
                data, sender = heard.recvfrom(9000)
                if data[:8] == b"M-SEARCH":
                    for number in range(60):
                        heard.sendto(("HTTP/1.1 200 OK\\r\\nST: %s\\r\\nUSN: uuid:%s::%s\\r\\n"
                            "LOCATION: http://10.77.0.4/cgi-bin/reboot?now=%d\\r\\n\\r\\n"
                            % (kind, uuid.uuid4(), kind, number)).encode(), sender)
                    print("answered", flush=True)
            """
        try await LanLab.with(hosts: 3, avahi: false) { lab in
            try await lab.script(["bg", "3", "victim", "python3", "-c", victim])
            try await lab.script(["bg", "2", "liar", "python3", "-c", liar])
            for (host, name) in [("3", "victim"), ("2", "liar")] {
                try await until(5, "\(name) does not start") {
                    try await lab.script(["log", host, name]).contains("ready")
                }
            }
            let search = try await lab.find(1, ["--protocol", "ssdp", "--timeout", "2"])
            #expect(search.found.isEmpty && search.output.contains("10.77.0.4 was announced as a node"))
            let asked = try await lab.script(["log", "3", "victim"]).split(separator: "\n").dropFirst()
            #expect(Set(asked) == ["asked /v1/node"] && asked.count <= 17, "\(asked)")
            #expect(try await lab.script(["log", "2", "liar"]).contains("answered"))
        }
    }

    @Test("a node on another network is found behind a reflector")
    func reflector() async throws {
        try await LanLab.with(hosts: 3) { lab in
            // The node has the second network only, the reflector and router both, the finder the first.
            for host in ["1", "2"] { try await lab.script(["second-nic", host]) }
            _ = try await lab.run(1, ["ip", "link", "del", "eth0"])
            _ = try await lab.run(1, ["ip", "route", "add", "10.77.0.0/16", "via", "10.78.0.3"])
            _ = try await lab.run(3, ["ip", "route", "add", "10.78.0.0/16", "via", "10.77.0.3"])
            let reflect = "printf '[reflector]\\nenable-reflector=yes\\n' >>/etc/avahi/avahi-daemon.conf"
            _ = try await lab.run(2, ["sh", "-c", "echo 1 >/proc/sys/net/ipv4/ip_forward; \(reflect)"])
            try await lab.script(["avahi-stop", "2"])
            try await lab.script(["avahi-start", "2"])
            try await lab.startNode(1, ["--id", id], at: "10.78.0.2")
            try await until(10, "not found") {
                let search = try await lab.find(3, ["--protocol", "mdns", "--timeout", "2"])
                return search.found == [id] && search.last(id).contains("\"address\":\"10.78.0.2\"")
            }
        }
    }

    @Test("a link with two networks: a finder that has both finds a node that has the second")
    func twoNetworks() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            _ = try await lab.run(1, ["ip", "address", "del", "10.77.0.2/16", "dev", "eth0"])
            for host in [1, 2] {
                _ = try await lab.run(host, ["ip", "address", "add", "198.51.100.\(host)/24", "dev", "eth0"])
            }
            // IPv6 would find it in any case.
            _ = try await lab.run(2, ["sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/eth0/disable_ipv6"])
            _ = try await lab.run(1, ["ip", "route", "replace", "224.0.0.0/4", "dev", "eth0"])
            // Only now: avahi never gets ready when an address goes while it begins.
            try await lab.script(["avahi-start", "1"])
            try await lab.startNode(1, ["--id", id], at: "198.51.100.1")
            for origin in ["ssdp", "mdns"] {
                try await until(8, "not found by \(origin)") {
                    let search = try await lab.find(2, ["--protocol", origin, "--timeout", "1"])
                    return search.last(id).contains("\"address\":\"198.51.100.1\"")
                }
            }
            // A finder that has the first network only is answered from the second: it does not say that nobody is there.
            _ = try await lab.run(2, ["ip", "address", "del", "198.51.100.2/24", "dev", "eth0"])
            _ = try await lab.run(1, ["ip", "route", "add", "10.77.0.0/16", "dev", "eth0"])
            try await lab.script(["stop", "1", "node"])
            try await lab.script(["bg", "1", "other", "python3", "-c", answering, "198.51.100.1"])
            try await until(5, "the responder does not start") {
                try await lab.script(["log", "1", "other"]).contains("ready")
            }
            let search = try await lab.find(2, ["--protocol", "ssdp", "--timeout", "3"])
            #expect(search.output.contains("a node announces itself at 198.51.100.1"), "\(search.output)")
            #expect(!search.output.contains("no host on"), "\(search.output)")
        }
    }

    /// Answers searches as a node at the address that is its argument, on eth0.
    private let answering = """
        import socket, sys
        own = sys.argv[1]
        heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        heard.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        heard.bind(("239.255.255.250", 1900))
        heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                         socket.inet_aton("239.255.255.250") + socket.inet_aton(own))
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        out.bind((own, 0))
        kind = "urn:schemas-upnp-org:device:CloudletServer:1"
        print("ready", flush=True)
        while True:
            data, sender = heard.recvfrom(9000)
            if data[:8] == b"M-SEARCH":
                out.sendto(("HTTP/1.1 200 OK\\r\\nST: %s\\r\\nUSN: uuid:11111111-1111-4111-8111-111111111111::%s\\r\\n"
                    "LOCATION: http://%s:8022/d.xml\\r\\n\\r\\n" % (kind, kind, own)).encode(), sender)
        """

    @Test("without a network, or with wrong interfaces, the exit status and the reason are right")
    func offline() async throws {
        try await LanLab.with(hosts: 1, avahi: false) { lab in
            let partly = try await find(lab, 1, ["--interface", "eth0", "--interface", "eth7", "--timeout", "0.7"])
            #expect(partly.contains("there is no interface eth7") && partly.hasSuffix("status 2\n"), "\(partly)")
            _ = try await lab.run(1, ["ip", "link", "set", "eth0", "down"])
            let down = try await find(lab, 1, ["--timeout", "0.7"])
            #expect(down.contains("eth0 is down or unplugged") && down.hasSuffix("status 3\n"), "\(down)")
            let named = try await find(lab, 1, ["--interface", "eth0"])
            #expect(named.contains("eth0 is down or unplugged") && named.hasSuffix("status 3\n"), "\(named)")
            _ = try await lab.run(1, ["ip", "link", "del", "eth0"])
            for arguments in [[], ["--node", "x"]] {
                let none = try await find(lab, 1, ["--timeout", "0.7"] + arguments)
                #expect(none.contains("no network to search on") && none.hasSuffix("status 3\n"), "\(none)")
                #expect(!none.contains("isolate"), "\(none)")
            }
            let inside = try await find(lab, 1, ["--interface", "lo", "--timeout", "0.7"])
            #expect(inside.contains("no node runs on this machine") && inside.hasSuffix("status 2\n"), "\(inside)")
        }
    }

    @Test("a search with a header that is longer than usual is answered")
    func longHeader() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            let search = """
                M-SEARCH * HTTP/1.1\r\nX: \(String(repeating: "x", count: 3000))\r\nHOST: 239.255.255.250:1900\r\n\
                MAN: "ssdp:discover"\r\nMX: 1\r\nST: upnp:rootdevice\r\n\r\n
                """
            try await until(5, "not answered") { try await !lab.probe(2, to: "239.255.255.250", search).isEmpty }
        }
    }
}
