import CLibvirt
import CloudletCore
import CloudletSystem
import Synchronization
import Testing

@testable import CloudletHypervisor

/// How tasks wait for what libvirt reports.
@Suite(.timeLimit(.minutes(1))) struct DomainEventsTests {
    private let events = DomainEvents()

    private static let end = DomainEvent.lifecycle(
        .init(
            event: Int32(VIR_DOMAIN_EVENT_STOPPED.rawValue), detail: Int32(VIR_DOMAIN_EVENT_STOPPED_CRASHED.rawValue)))

    /// Waits for `value` to be true; `asked` hears of each question.
    private func wait(
        for value: Shared, within limit: Duration, _ asked: Mailbox<Void> = Mailbox()
    ) async throws(CloudletError) -> Bool {
        try await events.wait(for: "vm", within: limit) {
            $0 == .migrationEnded || $0.isEnd
        } until: {
            () throws(CloudletError) in
            asked.put(())
            return value.flag.load(ordering: .sequentiallyConsistent)
        }
    }

    @Test("what holds already is not waited for")
    func atOnce() async throws {
        #expect(try await wait(for: Shared(true), within: .seconds(60)))
    }

    @Test("an event that matters brings the question up again, others and those of other VMs do not")
    func event() async throws {
        let (value, asked) = (Shared(false), Mailbox<Void>())
        let waiting = Task { try await wait(for: value, within: .seconds(60), asked) }
        _ = try await asked.next()
        value.flag.store(true, ordering: .sequentiallyConsistent)
        events.notify("vm", .agentConnected)
        events.notify("another", .migrationEnded)
        // Were it asked after one of these, the answer would be there before the next event.
        events.notify("vm", .migrationEnded)
        #expect(try await waiting.value)
        #expect(asked.drain().count == 1)
    }

    @Test("when the time is over it is asked once more: an event may have been missed")
    func timeOver() async throws {
        let asked = Mailbox<Void>()
        #expect(try await wait(for: Shared(false), within: .milliseconds(20), asked) == false)
        #expect(asked.drain().count == 2)
    }

    @Test("who is cancelled does not wait longer")
    func cancelled() async throws {
        let (value, asked) = (Shared(false), Mailbox<Void>())
        let waiting = Task { try await wait(for: value, within: .seconds(600), asked) }
        _ = try await asked.next()
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

    /// An `Atomic` that tasks share.
    private final class Shared: Sendable {
        let flag: Atomic<Bool>

        init(_ value: Bool) { flag = Atomic(value) }
    }
}
