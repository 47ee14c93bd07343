// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNode
import CloudletSession
import CloudletSystem
import Synchronization
import Testing

/// Who waits for what, whom that keeps waiting, and what it costs.
@Suite(.timeLimit(.minutes(1))) struct AdmissionQueueTests {
    private static let gibibyte = 1 << 30

    /// A host of 8 GiB and a disk of 100, whose reserves are nothing.
    private final class Host: Sendable {
        let figures = Mutex(
            Admission.Figures(memory: 8 << 30, freeMemory: 8 << 30, freeDisk: 100 << 30, disk: 100 << 30))
        let policy: Admission.Policy
        /// Bytes of memory in warm VMs, and how often it was asked for.
        let spare = Mutex((bytes: 0, asked: 0))

        init(_ change: (inout Admission.Policy) -> Void = { _ in }) {
            var policy = Admission.Policy()
            (policy.memoryReserve, policy.diskReserve) = (0, 0)
            change(&policy)
            self.policy = policy
        }

        func admission() -> Admission {
            let reclaimable = Admission.ReclaimableMemory {
                self.spare.withLock { $0.bytes }
            } reclaim: { bytes in
                let given = self.spare.withLock { spare in
                    spare.asked += 1
                    defer { spare.bytes -= min(bytes, spare.bytes) }
                    return min(bytes, spare.bytes)
                }
                self.figures.withLock { $0.freeMemory += given }
            }
            return Admission(policy: { self.policy }, reclaimable: reclaimable) { self.figures.withLock { $0 } }
        }

        var asked: Int { spare.withLock { $0.asked } }
    }

    private func enter(
        _ admission: Admission, _ client: String, gibibytes: Int, disk: Int = 0,
        _ progress: (Int) -> Void = { _ in }
    ) async throws(CloudletError) -> Reservation {
        try await admission.enter(
            client: client, need: .init(memory: gibibytes * Self.gibibyte, disk: disk), progress: progress)
    }

    /// A session that waits, in a task; returns when it is in the queue.
    private func waiter(
        _ admission: Admission, _ client: String, gibibytes: Int, disk: Int = 0
    ) async throws -> Task<Reservation, any Error> {
        let places = Mailbox<Int>()
        let task = Task<Reservation, any Error> {
            try await enter(admission, client, gibibytes: gibibytes, disk: disk) { places.put($0) }
        }
        _ = try await places.next()
        return task
    }

    @Test("what exceeds the disk is refused at once with figures: nobody waits behind it, no warm VM is ended")
    func neverFits() async throws {
        let host = Host()
        host.spare.withLock { $0.bytes = 1 << 30 }
        let admission = host.admission()
        let running = try await enter(admission, "a", gibibytes: 1)
        for disk in [1_100_000_000_000, Int.max] {
            let error = await #expect(throws: CloudletError.self) {
                _ = try await enter(admission, "b", gibibytes: 1, disk: disk)
            }
            #expect(error?.code == .unavailable)
            #expect(error?.description.contains("of disk space, this node has 100 GiB for VMs") == true)
        }
        _ = try await enter(admission, "c", gibibytes: 1)
        #expect(host.asked == 0)
        withExtendedLifetime(running) {}
    }

    @Test("where the end of all VMs would make no room, nobody waits: others have the disk or the memory")
    func nothingToWaitFor() async throws {
        let host = Host()
        host.spare.withLock { $0.bytes = 1 << 30 }
        host.figures.withLock {
            $0.freeDisk = 10 << 30
            $0.disposableDisk = 5 << 30
            $0.freeMemory = 5 << 30
        }
        let admission = host.admission()
        let running = try await enter(admission, "a", gibibytes: 1)
        running.settle()
        host.figures.withLock { $0.freeMemory = 4 << 30 }
        let disk = await #expect(throws: CloudletError.self) {
            _ = try await enter(admission, "b", gibibytes: 1, disk: 16 << 30)
        }
        #expect(disk?.code == .busy && disk?.description.contains("waited") == false, "\(disk as Any)")
        let memory = await #expect(throws: CloudletError.self) { _ = try await enter(admission, "b", gibibytes: 7) }
        #expect(memory?.code == .busy && memory?.description.contains("waited") == false, "\(memory as Any)")
        #expect(host.asked == 0)
        // What a VM's end brings is waited for.
        let waits = try await waiter(admission, "b", gibibytes: 1, disk: 14 << 30)
        host.figures.withLock { $0.freeDisk = 15 << 30 }
        _ = try await waits.value
    }

    @Test("a large session that waits does not keep smaller ones waiting that fit")
    func overtaking() async throws {
        let host = Host()
        let admission = host.admission()
        let running = try await enter(admission, "a", gibibytes: 6)
        let large = try await waiter(admission, "b", gibibytes: 7)
        for name in ["c", "d"] { try await enter(admission, name, gibibytes: 2).release() }
        #expect(admission.waiting == 1)
        running.release()
        _ = try await large.value
    }

    @Test("a stream of small sessions does not keep a large one out for ever")
    func noStarvation() async throws {
        let host = Host { $0.queueTimeout = .seconds(4) }
        let admission = host.admission()
        let running = try await enter(admission, "a", gibibytes: 1)
        let large = try await waiter(admission, "b", gibibytes: 8)
        // So many that there is never room for the large one by chance.
        let begun = Mailbox<Void>()
        let stream = Task {
            await withDiscardingTaskGroup { group in
                for number in 0..<5 {
                    group.addTask {
                        while !Task.isCancelled, let place = try? await enter(admission, "c\(number)", gibibytes: 1) {
                            begun.put(())
                            // Sessions of different lengths, so that they do not all end at the same moment.
                            try? await Task.sleep(for: .milliseconds(50 + 10 * number))
                            place.release()
                        }
                    }
                }
            }
        }
        for _ in 0..<5 { _ = try await begun.next() }
        running.release()
        let place = try await large.value
        stream.cancel()
        place.release()
        await stream.value
    }

    @Test("one that insists on its room is still passed by those that leave it")
    func insisting() async throws {
        let host = Host { $0.queueTimeout = .seconds(4) }
        let admission = host.admission()
        let running = try await enter(admission, "a", gibibytes: 6)
        let large = try await waiter(admission, "b", gibibytes: 4)
        // From half its patience on it insists.
        try await Task.sleep(for: .milliseconds(2100))
        // 4 beside 1 is less than 8, 4 beside 5 is not, whatever ends.
        let small = try await enter(admission, "c", gibibytes: 1) { Issue.record("it waits behind \($0 - 1)") }
        #expect(admission.waiting == 1)
        running.release()
        _ = try await large.value
        small.release()
    }

    @Test("a place that is free goes to the first in line, not to who asks first")
    func order() async throws {
        let host = Host { $0.machines = 1 }
        let admission = host.admission()
        let running = try await enter(admission, "a", gibibytes: 1)
        let first = try await waiter(admission, "b", gibibytes: 7)
        let second = try await waiter(admission, "c", gibibytes: 1)
        running.release()
        let place = try await first.value
        #expect(admission.waiting == 1)
        place.release()
        _ = try await second.value
    }

    @Test("warm VMs are ended where that is all that is missing, and not where it does not help")
    func givingWay() async throws {
        let host = Host { $0.queueTimeout = .milliseconds(300) }
        host.spare.withLock { $0.bytes = 1 << 30 }
        host.figures.withLock { $0.freeMemory = 7 << 30 }
        let admission = host.admission()
        let running = try await enter(admission, "a", gibibytes: 5)
        // 2 are left, 3 with the warm VM.
        let large = await #expect(throws: CloudletError.self) { _ = try await enter(admission, "b", gibibytes: 4) }
        #expect(large?.description.contains("waited") == true, "\(large as Any)")
        #expect(host.asked == 0)
        _ = try await enter(admission, "b", gibibytes: 3)
        #expect(host.asked == 1)
        withExtendedLifetime(running) {}
    }

    @Test("room that warm VMs make for one is not taken by the next, although it would fit before")
    func reclaimed() async throws {
        let host = Host()
        host.figures.withLock { $0.freeMemory = 7 << 30 }
        // It takes time until the memory of a VM is free.
        let reclaimable = Admission.ReclaimableMemory {
            1 << 30
        } reclaim: { _ in
        }
        let admission = Admission(policy: { host.policy }, reclaimable: reclaimable) { host.figures.withLock { $0 } }
        let running = try await enter(admission, "a", gibibytes: 5)
        let first = try await waiter(admission, "b", gibibytes: 3)
        let events = Mailbox<String>()
        let second = Task {
            let place = try await enter(admission, "c", gibibytes: 2) { _ in events.put("waits") }
            events.put("enters")
            place.release()
        }
        #expect(try await events.next() == "waits")
        host.figures.withLock { $0.freeMemory = 8 << 30 }
        try await first.value.release()
        try await second.value
        withExtendedLifetime(running) {}
    }

    @Test("a disk without end is no trap")
    func endlessDisk() async throws {
        let host = Host { $0.queueTimeout = .zero }
        host.figures.withLock { ($0.freeDisk, $0.disk, $0.disposableDisk) = (.max, .max, 1 << 30) }
        let admission = host.admission()
        let running = try await enter(admission, "a", gibibytes: 6, disk: 1 << 50)
        let full = await #expect(throws: CloudletError.self) {
            _ = try await enter(admission, "b", gibibytes: 6, disk: 1 << 50)
        }
        #expect(full?.code == .busy)
        withExtendedLifetime(running) {}
    }

    @Test("a disk that is memory is counted with the memory")
    func memoryDisk() async throws {
        let host = Host { $0.queueTimeout = .zero }
        host.figures.withLock { $0.diskIsMemory = true }
        let admission = host.admission()
        let never = await #expect(throws: CloudletError.self) {
            _ = try await enter(admission, "a", gibibytes: 4, disk: 5 << 30)
        }
        #expect(never?.code == .unavailable)
        let running = try await enter(admission, "a", gibibytes: 3, disk: 2 << 30)
        let full = await #expect(throws: CloudletError.self) {
            _ = try await enter(admission, "b", gibibytes: 2, disk: 2 << 30)
        }
        #expect(full?.code == .busy)
        withExtendedLifetime(running) {}
    }
}
