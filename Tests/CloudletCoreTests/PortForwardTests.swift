// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@Suite struct PortForwardTests {
    @Test(
        "forwards are read in the form of -redir and written in the same form",
        arguments: [
            ("tcp:2222::22", PortForward.Transport.tcp, 2222, 22), ("udp:0::53", .udp, 0, 53),
            ("TCP:65535::1", .tcp, 65535, 1),
        ] as [(String, PortForward.Transport, UInt16, UInt16)])
    func forms(text: String, transport: PortForward.Transport, host: UInt16, guest: UInt16) throws {
        let forward = try PortForward(parsing: text)
        #expect(forward == PortForward(transport, hostPort: host, guestPort: guest))
        #expect(forward.description == text.lowercased())
    }

    @Test(
        "other texts are refused with the expected form",
        arguments: [
            "", "tcp", "tcp:2222:22", "tcp:2222::", "tcp::22", "tcp:2222::0", "tcp:65536::22", "sctp:1::2", "tcp:1:h:2",
            "tcp:2222::22:", "tcp:-1::22",
        ])
    func refusals(text: String) {
        let error = #expect(throws: CloudletError.self) { try PortForward(parsing: text) }
        #expect(error?.code == .usage && error?.advice?.contains("tcp:HOSTPORT::GUESTPORT") == true)
    }
}
