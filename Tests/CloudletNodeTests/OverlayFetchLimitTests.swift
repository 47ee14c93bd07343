// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import Glibc
import Synchronization
import Testing

@testable import CloudletNode

/// What fetched packages take at most.
@Suite(.timeLimit(.minutes(1))) struct OverlayFetchLimitTests {
    /// An HTTP server that answers one request in chunks, without an end.
    private final class EndlessServer: Sendable {
        let port: UInt16
        /// Bytes of content sent.
        let sent = Atomic(0)

        /// Opens a free port of 127.0.0.1; waits so many microseconds after each chunk.
        init(pause: UInt32 = 0) throws {
            let listener = try #require(Listener())
            port = listener.port
            listener.serveOnce { [self] in serve($0, pause) }
        }

        private func serve(_ client: Int32, _ pause: UInt32) {
            var request = [UInt8](repeating: 0, count: 4096)
            let capacity = request.count
            _ = unsafe recv(client, &request, capacity, 0)
            let head = Array("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".utf8)
            let chunk = Array("10000\r\n".utf8) + [UInt8](repeating: 0x78, count: 65536) + Array("\r\n".utf8)
            guard unsafe send(client, head, head.count, Int32(MSG_NOSIGNAL)) > 0 else { return }
            // Not quite without an end: the test must be able to fail.
            for _ in 0..<1024 {
                guard unsafe send(client, chunk, chunk.count, Int32(MSG_NOSIGNAL)) > 0 else { return }
                sent.add(65536, ordering: .relaxed)
                // The pauses make the fetch last until its time is over.
                if pause > 0 { usleep(pause) }
            }
        }
    }

    private let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private func refusal(
        _ server: EndlessServer, limit: Int = 1 << 30, longest: Int = 30,
        makeRoom: @escaping @Sendable (Int) throws(CloudletError) -> Void = { _ in }
    ) async throws -> CloudletError {
        var fetch = OverlayFetch(policy: .client, directory: scratch.path) { limit }
        fetch.longest = longest
        let url = "http://127.0.0.1:\(server.port)/o.zip"
        do throws(CloudletError) {
            _ = try await fetch.fetch(url, for: "127.0.0.1", makeRoom: makeRoom)
        } catch {
            #expect(try Directory.names(in: scratch.path).isEmpty)
            return error
        }
        throw CloudletError(.defect, "the package was taken")
    }

    @Test("a package of unknown size is ended at the limit")
    func endless() async throws {
        let server = try EndlessServer()
        let error = try await refusal(server, limit: 1 << 20)
        #expect(error.description.contains("exceeds the 1 MiB"), "\(error)")
        #expect(server.sent.load(ordering: .relaxed) < 32 << 20)
    }

    @Test("a package ends where others need the room")
    func room() async throws {
        let server = try EndlessServer()
        let asked = Atomic(0)
        let error = try await refusal(server) { (bytes) throws(CloudletError) in
            let total = asked.add(bytes, ordering: .relaxed).newValue
            guard total <= 4 << 20 else { throw CloudletError(.busy, "no room") }
        }
        #expect(error.description.contains("no room"), "\(error)")
    }

    @Test("a package that takes too long is ended")
    func slow() async throws {
        let error = try await refusal(try EndlessServer(pause: 100_000), longest: 1)
        #expect(error.description.contains("timed out"), "\(error)")
    }

    @Test("fetches count among a client's sessions and share the disk with all others")
    func admission() throws {
        let figures = Mutex(Admission.Figures(memory: 8 << 30, freeMemory: 8 << 30, freeDisk: 10 << 20))
        let admission = Admission {
            var policy = Admission.Policy()
            policy.perClient = 1
            policy.diskReserve = 4 << 20
            return policy
        } figures: {
            figures.withLock { $0 }
        }
        let one = try admission.beginFetch(client: "10.0.0.1")
        let own = #expect(throws: CloudletError.self) { try admission.beginFetch(client: "10.0.0.1") }
        #expect(own?.code == .busy)
        let two = try admission.beginFetch(client: "10.0.0.2")
        try one.makeRoom(4 << 20)
        let lack = #expect(throws: CloudletError.self) { try two.makeRoom(4 << 20) }
        #expect(lack?.code == .busy)
        try two.makeRoom(2 << 20)
        // What was written is in the host's figures, and not counted twice.
        figures.withLock { $0.freeDisk = 6 << 20 }
        #expect(throws: CloudletError.self) { try one.makeRoom(1 << 20) }
        two.reservation.release()
        try one.makeRoom(2 << 20)
        one.reservation.release()
        try admission.beginFetch(client: "10.0.0.1").reservation.release()
    }
}
