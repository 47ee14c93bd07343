// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// A finder whose search is flooded with answers, by someone who knows its port from the search itself.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct FloodedFinderLabTests {
    private let id = "11111111-1111-4111-8111-111111111111"

    /// A node that answers searches after the time that MX allows, as many devices do.
    private let slow = """
        import http.server, json, socket, threading, time
        id = "11111111-1111-4111-8111-111111111111"
        kind = "urn:schemas-upnp-org:device:CloudletServer:1"
        status = json.dumps(dict(id=id, name="slow", api=1, synthesis_port=8021, load=0, free_memory=0, sessions=0,
                                 features=[], bases=[])).encode()
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200 if self.path == "/v1/node" else 404)
                self.send_header("Content-Length", str(len(status)))
                self.end_headers()
                self.wfile.write(status)
            log_message = lambda *a: None
        server = http.server.ThreadingHTTPServer(("", 8022), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        synthesis = socket.create_server(("", 8021), backlog=100)
        heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        heard.bind(("239.255.255.250", 1900))
        heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                         socket.inet_aton("239.255.255.250") + socket.inet_aton("10.77.0.2"))
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        out.bind(("10.77.0.2", 0))
        answer = f"HTTP/1.1 200 OK\\r\\nST: {kind}\\r\\nUSN: uuid:{id}::{kind}\\r\\nLOCATION: http://10.77.0.2:8022/d.xml\\r\\n\\r\\n"
        print("ready", flush=True)
        while True:
            data, sender = heard.recvfrom(9000)
            if data[:8] == b"M-SEARCH" and kind.encode() in data:
                threading.Timer(0.7, out.sendto, (answer.encode(), sender)).start()
        """

    /// Answers whoever searched in the last 3 s, 3,000 times a second, each time as another node: with the argument `node`
    /// in the name of that host, at its usual port or at any; else from addresses that nobody has.
    private let flood = """
        import random, socket, struct, sys, threading, time
        heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        heard.bind(("239.255.255.250", 1900))
        heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP,
                         socket.inet_aton("239.255.255.250") + socket.inet_aton("10.77.0.3"))
        raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
        kind = "urn:schemas-upnp-org:device:CloudletServer:1"
        seen = {}
        def listen():
            while True:
                data, sender = heard.recvfrom(9000)
                if data[:8] == b"M-SEARCH": seen[sender] = time.time()
        threading.Thread(target=listen, daemon=True).start()
        print("ready", flush=True)
        while True:
            for (host, port), when in list(seen.items()):
                if time.time() - when > 3: continue
                for _ in range(15):
                    invented = f"10.77.{random.randrange(4, 250)}.{random.randrange(1, 250)}"
                    source = "10.77.0.2" if sys.argv[1] == "node" else invented
                    at = random.choice((8022, random.randrange(10000, 60000))) if sys.argv[1] == "node" else 8022
                    number = random.getrandbits(48)
                    text = (f"HTTP/1.1 200 OK\\r\\nST: {kind}\\r\\nUSN: uuid:22222222-1111-4111-8111-{number:012x}::{kind}\\r\\n"
                            f"LOCATION: http://{source}:{at}/d.xml\\r\\n\\r\\n").encode()
                    udp = struct.pack("!HHHH", 1900, port, 8 + len(text), 0) + text
                    head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 2, 17, 0)
                    raw.sendto(head + socket.inet_aton(source) + socket.inet_aton(host) + udp, (host, 0))
            time.sleep(0.005)
        """

    @Test(
        "a node that takes its time is found while others are invented by the thousand, in its own name or not",
        arguments: ["node", "nobody"])
    func flooded(name: String) async throws {
        try await LanLab.with(hosts: 3, avahi: false) { lab in
            try await lab.script(["bg", "1", "slow", "python3", "-c", slow])
            try await lab.script(["bg", "2", "flood", "python3", "-c", flood, name])
            for (host, program) in [("1", "slow"), ("2", "flood")] {
                try await until(5, "\(program) does not start") {
                    try await lab.script(["log", host, program]).contains("ready")
                }
            }
            // A second time with more, because the flood takes processor time that other tests need too.
            var search = try await lab.find(3, ["--protocol", "ssdp", "--timeout", "2"])
            if search.found.isEmpty { search = try await lab.find(3, ["--protocol", "ssdp", "--timeout", "10"]) }
            #expect(search.found == [id], "\(search.output)")
        }
    }
}
