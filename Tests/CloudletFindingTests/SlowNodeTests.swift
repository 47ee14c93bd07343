// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import Testing

@testable import CloudletDiscovery
@testable import CloudletFinding

/// Searches for nodes on hosts that are slow, because they are busy or emulated.
@Suite(.timeLimit(.minutes(1))) struct SlowNodeTests {
    private let id = "2c975b02-6da1-45ae-81f8-b35170336455"

    /// The answer of a node's HTTP server.
    private func answer(synthesisPort: UInt16) throws -> [UInt8] {
        let status = """
            {"id":"\(id)","name":"Slow","api":1,"synthesis_port":\(synthesisPort),"load":0,"free_memory":0,\
            "sessions":0,"features":[],"bases":[]}
            """
        return Array("HTTP/1.1 200 OK\r\nContent-Length: \(status.utf8.count)\r\n\r\n\(status)".utf8)
    }

    @Test("a search that has found nothing so far waits for a node that takes more than two seconds to answer")
    func slow() async throws {
        let listener = try #require(Listener())
        let answer = try answer(synthesisPort: listener.port)
        listener.serveOnce { client in
            usleep(2_100_000)
            _ = unsafe send(client, answer, answer.count, Int32(MSG_NOSIGNAL))
        }
        var options = FinderOptions()
        options.hosts = ["127.0.0.1:\(listener.port)"]
        options.timeout = .seconds(30)
        let found = try await Finder(options).find { !$0.isEmpty }
        #expect(found.map(\.name) == ["Slow"])
        listener.stop()
    }
}
