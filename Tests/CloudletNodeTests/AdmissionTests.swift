// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNode
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import Synchronization
import Testing

@Suite(.timeLimit(.minutes(1))) struct AdmissionTests {
    /// A host whose figures tests set.
    private final class Host: Sendable {
        let figures = Mutex(
            Admission.Figures(memory: 8 << 30, freeMemory: 8 << 30, freeDisk: 100 << 30))
        let policy = Mutex(Admission.Policy())

        func admission() -> Admission {
            Admission(policy: { self.policy.withLock { $0 } }) { self.figures.withLock { $0 } }
        }

        init(_ change: (inout Admission.Policy) -> Void = { _ in }) { policy.withLock { change(&$0) } }
    }

    private func enter(
        _ admission: Admission, _ client: String = "10.0.0.1", memory: Int = 1 << 30, disk: Int = 0
    ) async throws(CloudletError) -> Reservation {
        try await admission.enter(client: client, need: .init(memory: memory, disk: disk)) { _ in }
    }

    @Test("guests never get more memory together than the host has beside its reserve")
    func memory() async throws {
        let host = Host { $0.queueTimeout = .zero }
        let admission = host.admission()
        var places: [Reservation] = []
        for index in 0..<7 { places.append(try await enter(admission, "10.0.0.\(index)")) }
        let error = await #expect(throws: CloudletError.self) { _ = try await enter(admission, "10.0.1.1") }
        #expect(error?.code == .busy)
        #expect(error?.description.contains("1 GiB of memory, 512 MiB are available") == true, "\(error as Any)")
        places[0].release()
        _ = try await enter(admission, "10.0.1.1")
    }

    @Test("what can never run here is refused at once, and so is what nobody's end would make room for")
    func never() async throws {
        let host = Host()
        let admission = host.admission()
        let never = await #expect(throws: CloudletError.self) { _ = try await enter(admission, memory: 9 << 30) }
        #expect(never?.code == .unavailable)
        host.figures.withLock { $0.freeMemory = 1 << 30 }
        let now = await #expect(throws: CloudletError.self) { _ = try await enter(admission) }
        #expect(now?.code == .busy)
        host.figures.withLock {
            $0.freeMemory = 8 << 30
            $0.freeDisk = 1 << 30
        }
        let disk = await #expect(throws: CloudletError.self) { _ = try await enter(admission, disk: 1 << 30) }
        #expect(disk?.description.contains("of disk space") == true)
        #expect(admission.waiting == 0)
    }

    @Test("before a session is refused, reclaimable memory is requested and waited for")
    func reclaiming() async throws {
        let host = Host()
        host.figures.withLock { $0.freeMemory = 1 << 30 }
        let asked = Mutex(0)
        let reclaimable = Admission.ReclaimableMemory {
            asked.withLock { $0 } < 3 ? 1 << 30 : 0
        } reclaim: { bytes in
            #expect(bytes == 512 << 20)
            let count = asked.withLock {
                $0 += 1
                return $0
            }
            // It takes a while until the memory is there.
            if count == 3 { host.figures.withLock { $0.freeMemory = 8 << 30 } }
        }
        let admission = Admission(policy: { host.policy.withLock { $0 } }, reclaimable: reclaimable) {
            host.figures.withLock { $0 }
        }
        _ = try await enter(admission)
        #expect(asked.withLock { $0 } == 3)
        host.figures.withLock { $0.freeMemory = 1 << 30 }
        let none = await #expect(throws: CloudletError.self) { _ = try await enter(admission, "10.0.0.2") }
        #expect(none?.code == .busy)
    }

    @Test("who finds no room waits in the order of arrival and hears its place")
    func queue() async throws {
        let host = Host { $0.machines = 1 }
        let admission = host.admission()
        let first = try await enter(admission)
        let order = Mailbox<String>()
        try await withThrowingTaskGroup { group in
            for name in ["a", "b", "c"] {
                let places = Mailbox<Int>()
                group.addTask {
                    // The small one does not overtake.
                    let memory = name == "c" ? 1 << 20 : 1 << 30
                    let place = try await admission.enter(client: name, need: .init(memory: memory, disk: 0)) {
                        places.put($0)
                    }
                    order.put(name)
                    place.release()
                }
                let expected = name == "a" ? 1 : name == "b" ? 2 : 3
                #expect(try await places.next() == expected)
            }
            #expect(admission.waiting == 3)
            first.release()
            try await group.waitForAll()
        }
        for name in ["a", "b", "c"] { #expect(try await order.next() == name) }
        #expect(admission.waiting == 0)
    }

    @Test("one client can't take all places, nor fill the queue")
    func quota() async throws {
        let host = Host {
            $0.perClient = 2
            $0.queue = 1
            $0.machines = 2
            $0.queueTimeout = .seconds(1)
        }
        let admission = host.admission()
        let places = [try await enter(admission), try await enter(admission)]
        let quota = await #expect(throws: CloudletError.self) { _ = try await enter(admission) }
        #expect(quota?.description.contains("has 2 sessions already") == true)
        async let waits: Void = {
            let error = await #expect(throws: CloudletError.self) { _ = try await enter(admission, "10.0.0.2") }
            #expect(error?.description.contains("waited 1.0 s") == true || error != nil)
        }()
        try await until(1, "it does not wait") { admission.waiting == 1 }
        let full = await #expect(throws: CloudletError.self) { _ = try await enter(admission, "10.0.0.3") }
        #expect(full?.description.contains("1 sessions wait already") == true)
        await waits
        withExtendedLifetime(places) {}
    }

    @Test("a client that goes away while it waits leaves the queue; a forgotten place is given back")
    func leaves() async throws {
        let host = Host { $0.machines = 1 }
        let admission = host.admission()
        do {
            let first = try await enter(admission)
            let waiting = Task { try await enter(admission, "10.0.0.2") }
            try await until(1, "it does not wait") { admission.waiting == 1 }
            waiting.cancel()
            await #expect(throws: CloudletError.self) { try await waiting.value }
            #expect(admission.waiting == 0)
            withExtendedLifetime(first) {}
        }
        _ = try await enter(admission)
    }

    @Test("memory of a VM that is being filled counts until it shows in the host's figures")
    func filling() async throws {
        let host = Host { $0.queueTimeout = .zero }
        host.figures.withLock { $0.freeMemory = 3 << 30 }
        let admission = host.admission()
        let places = [try await enter(admission, "a"), try await enter(admission, "b")]
        let error = await #expect(throws: CloudletError.self) { _ = try await enter(admission, "c") }
        #expect(error?.description.contains("512 MiB are available") == true, "\(error as Any)")
        withExtendedLifetime(places) {}
    }
}
