// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSession
import CloudletTestSupport
import Testing

@Suite(.timeLimit(.minutes(1))) struct SessionListenerTests {
    @Test("a listener closed by a cancelled task turns away everyone who waits")
    func closedWhenCancelled() async throws {
        let listener = try await SessionServer.bind(address: "127.0.0.1", port: 0)
        let clients = try (0..<8).map { _ in try #require(RawConnection(port: listener.port)) }
        // Accepted by the event loop, which nothing shows, and taken by nobody.
        try await Task.sleep(for: .milliseconds(200))
        let closing = Task {
            try? await Task.sleep(for: .seconds(60))
            await listener.close()
        }
        closing.cancel()
        await closing.value
        for client in clients { #expect(await client.receive().isEmpty) }
        #expect(RawConnection(port: listener.port) == nil)
    }
}
