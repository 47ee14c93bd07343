// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletTestSupport
import Testing

/// What hosts that are not there cause: nothing that others notice.
@Suite(.enabled(if: LanLab.missing.isEmpty, Comment(rawValue: LanLab.reason)))
struct StrangersLabTests {
    private let id = "11111111-1111-4111-8111-111111111111"

    /// Sends 200 searches a second from addresses of the LAN that nobody has, for 8 s: `python3 -c … DESTINATION HOST`.
    private let flood = """
        import random, socket, struct, sys, time
        destination, host = sys.argv[1:]
        six = ":" in destination
        text = f'M-SEARCH * HTTP/1.1\\r\\nHOST: {host}:1900\\r\\nMAN: "ssdp:discover"\\r\\nMX: 1\\r\\nST: upnp:rootdevice\\r\\n\\r\\n'.encode()
        family = socket.AF_INET6 if six else socket.AF_INET
        s = socket.socket(family, socket.SOCK_RAW, socket.IPPROTO_RAW)
        index = socket.if_nametoindex("eth0")
        if six:
            s.setsockopt(socket.IPPROTO_IPV6, 36, 1)
        else:
            s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, b"\\0" * 8 + index.to_bytes(4, "little"))
        target = socket.inet_pton(family, destination)
        def checksum(data):
            total = sum(struct.unpack(f"!{len(data) // 2}H", data))
            while total >> 16: total = (total & 0xFFFF) + (total >> 16)
            return ~total & 0xFFFF or 0xFFFF
        print("flooding", flush=True)
        start, number = time.time(), 0
        while time.time() - start < 8:
            udp = struct.pack("!HHHH", 50000, 1900, 8 + len(text), 0) + text
            if six:
                source = socket.inet_pton(family, f"fe80::{random.randrange(1, 65535):x}:{random.randrange(1, 65535):x}")
                pseudo = source + target + struct.pack("!IHBB", len(udp), 0, 0, 17)
                udp = udp[:6] + struct.pack("!H", checksum(pseudo + udp + b"\\0" * (len(udp) % 2))) + udp[8:]
                packet = struct.pack("!IHBB", 6 << 28, len(udp), 17, 2) + source + target + udp
                s.sendto(packet, (destination, 0, 0, index))
            else:
                source = socket.inet_aton(f"10.77.{random.randrange(4, 250)}.{random.randrange(1, 250)}")
                head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(udp), 0, 0, 2, 17, 0)
                s.sendto(head + source + target + udp, (destination, 0))
            number += 1
            time.sleep(max(0, start + number / 200 - time.time()))
        """

    /// Searches ten times and prints how often there was an answer: `python3 -c … DESTINATION`.
    private let client = """
        import socket, sys, time
        place = sys.argv[1]
        six = ":" in place
        host = f"[{place}]" if six else place
        text = f'M-SEARCH * HTTP/1.1\\r\\nHOST: {host}:1900\\r\\nMAN: "ssdp:discover"\\r\\nMX: 1\\r\\nST: urn:schemas-upnp-org:device:CloudletServer:1\\r\\n\\r\\n'
        answered = 0
        for _ in range(10):
            s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
            index = socket.if_nametoindex("eth0")
            if not six: s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, b"\\0" * 8 + index.to_bytes(4, "little"))
            s.settimeout(0.3)
            s.sendto(text.encode(), (place, 1900, 0, index) if six else (place, 1900))
            try:
                s.recv(4096)
                answered += 1
            except TimeoutError:
                pass
        print(answered)
        """

    @Test(
        "searches from addresses that nobody has displace neither answers nor announcements, by ARP and by ND",
        arguments: [
            ("10.77.0.2", "10.77.0.2"), ("239.255.255.250", "239.255.255.250"), ("ff02::c", "[ff02::c]"),
        ])
    func invented(destination: String, host: String) async throws {
        try await LanLab.with(hosts: 3, avahi: false) { lab in
            try await lab.listen(3, "eth0")
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            // The announcements of its start.
            try await until(5, "not announced") { try await lab.heard(3, "eth0").components("ssdp:alive") == 30 }
            try await lab.script(["bg", "2", "flood", "python3", "-c", flood, destination, host])
            try await until(5, "no flood") { try await lab.script(["log", "2", "flood"]).contains("flooding") }
            // The flood has filled what the node keeps of strangers.
            try await Task.sleep(for: .seconds(1.2))
            try await lab.script(["say", "1", "node", "name Other"])
            for place in ["10.77.0.2", "239.255.255.250", "ff02::c"] {
                let answered = try await lab.run(3, ["python3", "-c", client, place])
                // A host that was never heard of may have to search twice while the places for such are taken.
                #expect((Int(answered.prefix { $0.isNumber }) ?? 0) >= 9, "\(place): \(answered)")
            }
            try await until(5, "announcements were lost") {
                try await lab.heard(3, "eth0").components("ssdp:alive") == 60
            }
        }
    }

    @Test("all answers reach a host that had to be found first, and the host that searches much at once")
    func newcomer() async throws {
        try await LanLab.with(hosts: 2, avahi: false) { lab in
            try await lab.startNode(1, ["--id", id, "--no-mdns"])
            let text =
                "M-SEARCH * HTTP/1.1\r\nHOST: 239.255.255.250:1900\r\nMAN: \"ssdp:discover\"\r\nMX: 1\r\nST: ssdp:all\r\n\r\n"
            try await until(5, "no answer") { try await !lab.probe(2, to: "239.255.255.250", text).isEmpty }
            _ = try await lab.run(1, ["ip", "neighbour", "flush", "dev", "eth0"])
            #expect(try await lab.probe(2, to: "239.255.255.250", text, count: 3).count == 15)
        }
    }
}
