// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Testing

@testable import CloudletCommands

/// Waiting until a port of the guest answers (`--until-port`).
@Suite(.timeLimit(.minutes(1))) struct AwaitedPortTests {
    /// Waits for a port that answers the request with this number; returns the reported texts and the number of requests.
    private func wait(forAnswer number: Int, hintTimeout: Duration, doubt: String? = nil) async throws -> (
        texts: [String], requests: Int
    ) {
        var texts: [String] = []
        var requests = 0
        let port = AwaitedPort(port: 2222, doubt: doubt, hintTimeout: hintTimeout, interval: .milliseconds(1))
        try await port.wait {
            texts.append($0)
        } until: { () throws(CloudletError) in
            requests += 1
            return requests == number
        }
        return (texts, requests)
    }

    @Test("a port that does not answer is reported once, with what the user can do and a possible cause")
    func silent() async throws {
        let (texts, requests) = try await wait(forAnswer: 40, hintTimeout: .zero, doubt: "the disk has no boot loader")
        #expect(requests == 40 && texts.count == 1)
        let text = try #require(texts.first)
        #expect(text.contains("Port 2222 of the VM has not answered for 0"), "\(text)")
        #expect(text.contains("Ctrl-C ends the command") && text.contains("--viewer"), "\(text)")
        #expect(text.hasSuffix("Note: the disk has no boot loader."), "\(text)")
        #expect(AwaitedPort(port: 1, doubt: nil).hintTimeout == .seconds(60))
    }

    @Test("a port that answers in time is not reported, and gets no further requests")
    func prompt() async throws {
        let (texts, requests) = try await wait(forAnswer: 3, hintTimeout: .seconds(60))
        #expect(texts.isEmpty && requests == 3)
    }

    @Test("a cancelled task stops waiting, before the hint and after it", arguments: [Duration.zero, .seconds(60)])
    func cancelled(hintTimeout: Duration) async throws {
        let isRequested = AsyncEvent()
        let task = Task { () async -> CloudletError? in
            let port = AwaitedPort(port: 1, doubt: nil, hintTimeout: hintTimeout, interval: .milliseconds(1))
            do throws(CloudletError) {
                try await port.wait(report: { _ in }) { () throws(CloudletError) in
                    isRequested.set()
                    return false
                }
                return nil
            } catch {
                return error
            }
        }
        await isRequested.wait()
        task.cancel()
        #expect(await task.value?.code == .interrupted)
    }
}
