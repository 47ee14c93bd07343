// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Testing

@Suite(.timeLimit(.minutes(1))) struct ConcurrentlyTests {
    private static let first = CloudletError(.io, "the first")
    private static let second = CloudletError(.io, "the second")

    @Test("both run at the same time, and both values come back")
    func values() async throws {
        let (stream, feed) = AsyncStream.makeStream(of: Int.self)
        let (one, two) = try await concurrently(
            { () async throws(CloudletError) in
                for await number in stream { return number }
                return 0
            },
            { () async throws(CloudletError) in
                feed.yield(7)
                return "two"
            })
        #expect(one == 7 && two == "two")
    }

    @Test("the one that fails first cancels the other, and its error is thrown")
    func secondFails() async {
        let error = await #expect(throws: CloudletError.self) {
            _ = try await concurrently(
                { () async throws(CloudletError) in
                    await AsyncEvent().wait()
                    throw Self.first
                }, { () async throws(CloudletError) in throw Self.second })
        }
        #expect(error?.message == "the second")
    }

    @Test("the first one's error counts, and the second is cancelled")
    func errors() async {
        let wasCancelled = AsyncStream.makeStream(of: Bool.self)
        let error = await #expect(throws: CloudletError.self) {
            _ = try await concurrently(
                { () async throws(CloudletError) in throw Self.first },
                { () async throws(CloudletError) in
                    // Nothing sets this event, so only a cancellation ends the wait.
                    await AsyncEvent().wait()
                    wasCancelled.continuation.yield(Task.isCancelled)
                    throw Self.second
                })
        }
        #expect(error?.description.contains("the first") == true, "\(error?.description ?? "")")
        for await flag in wasCancelled.stream {
            #expect(flag)
            break
        }

        let other = await #expect(throws: CloudletError.self) {
            _ = try await concurrently(
                { () async throws(CloudletError) in }, { () async throws(CloudletError) in throw Self.second })
        }
        #expect(other?.description.contains("the second") == true, "\(other?.description ?? "")")
    }
}
