// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLibvirt
import CloudletCore
import CloudletSystem
import Testing

@testable import CloudletHypervisor

/// How tasks wait for what libvirt reports.
@Suite(.timeLimit(.minutes(1))) struct DomainEventsTests {
    private let events = DomainEvents()

    private static let end = DomainEvent.lifecycle(
        .init(
            event: Int32(VIR_DOMAIN_EVENT_STOPPED.rawValue), detail: Int32(VIR_DOMAIN_EVENT_STOPPED_CRASHED.rawValue)))

    /// Waits for the end of a migration, asking `answer` with the number of the question.
    /// - Returns: whether it came, and how often was asked.
    private func wait(
        within limit: Duration, _ answer: (Int) -> Bool
    ) async throws(CloudletError) -> (Bool, asked: Int) {
        var asked = 0
        let came = try await events.wait(for: "vm", within: limit) {
            $0 == .migrationEnded || $0.isEnd
        } until: {
            () throws(CloudletError) in
            asked += 1
            return answer(asked)
        }
        return (came, asked)
    }

    @Test("what holds already is not waited for")
    func atOnce() async throws {
        let result = try await wait(within: .seconds(60)) { _ in true }
        #expect(result == (true, 1))
    }

    @Test("an event that matters brings the question up again")
    func event() async throws {
        let result = try await wait(within: .seconds(60)) { number in
            if number == 1 { events.notify("vm", .migrationEnded) }
            return number == 2
        }
        #expect(result == (true, 2))
    }

    @Test("other events and those of other VMs do not; when the time is over it is asked once more")
    func timeOver() async throws {
        let result = try await wait(within: .milliseconds(50)) { number in
            if number == 1 {
                events.notify("vm", .lifecycle(.init(event: Int32(VIR_DOMAIN_EVENT_RESUMED.rawValue), detail: 0)))
                events.notify("another", .migrationEnded)
            }
            return false
        }
        #expect(result == (false, 2))
    }

    @Test("a task that is cancelled does not wait longer")
    func cancelled() async {
        let (events, asked) = (events, AsyncEvent())
        let waiting = Task {
            try await events.wait(for: "vm", within: .seconds(600)) { _ in
                true
            } until: {
                () throws(CloudletError) in
                asked.set()
                return false
            }
        }
        await asked.wait()
        waiting.cancel()
        let error = await #expect(throws: CloudletError.self) { try await waiting.value }
        #expect(error?.code == .interrupted)
    }

    @Test("an end is reported to those that wait, and to those that come too late")
    func ends() async {
        let stream = events.stream(of: "vm")
        let end = await events.end(of: "vm") {
            // It listens by now.
            events.notify("vm", Self.end)
            return true
        }
        #expect(end?.isFailure == true)
        #expect(await events.end(of: "vm") { false }?.isFailure == true)
        #expect(await events.end(of: "other") { false } == nil)
        // The events of one VM end with it.
        var seen: [DomainEvent] = []
        for await entry in stream { seen.append(entry.event) }
        #expect(seen == [Self.end])
    }
}
