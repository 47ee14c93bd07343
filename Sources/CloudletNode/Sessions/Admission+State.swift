// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem

/// The resources that sessions have reserved, and the queue of waiting sessions.
struct AdmissionState {
    /// An admitted synthesis or VM.
    struct Held {
        let client: String
        let need: Admission.Need
        /// Whether its resources are not included in the host's figures yet.
        var fills = true
    }

    /// A package that is being fetched.
    struct Fetch {
        let client: String
        /// Bytes that are about to be written; those already written are included in the host's figures.
        var writing = 0
    }

    /// A waiting session.
    struct Waiting {
        let ticket: Int
        let client: String
        let need: Admission.Need
        /// From this time on, later sessions may not take the resources that it waits for.
        let insistsFrom: ContinuousClock.Instant
        /// The time at which it stops waiting.
        let end: ContinuousClock.Instant
        /// Whether memory is being freed for it.
        var isRelieved = false
        /// Set when it should check again.
        var changed: AsyncEvent?
    }

    /// The resources that are neither used nor reserved.
    struct Room {
        var memory: Int
        var disk: Int
        /// The number of VMs that may still be started.
        var machines: Int
        /// The bytes that are left to the host, for messages.
        var reserves = (memory: 0, disk: 0)
    }

    /// What a waiting session lacks.
    struct Shortage {
        /// A description for people.
        let reason: String
        /// The missing bytes of memory, if only memory is missing.
        var missingMemory = 0
    }

    var held: [Int: Held] = [:]
    var fetches: [Int: Fetch] = [:]
    var queue: [Waiting] = []
    var next = 0
    /// The host's figures when they were last read, and the time.
    var seen: (time: ContinuousClock.Instant, figures: Admission.Figures)?
    /// Counts the events after which figures read earlier are no longer valid.
    private(set) var changes = 0

    mutating func begin(_ ticket: Int, _ entry: Held) { held[ticket] = entry }

    mutating func settle(_ ticket: Int) {
        held[ticket]?.fills = false
        forget()
    }

    mutating func end(_ ticket: Int) {
        held[ticket] = nil
        forget()
    }

    private mutating func forget() {
        changes += 1
        seen = nil
    }

    func requireQuota(_ client: String, _ policy: Admission.Policy) throws(CloudletError) {
        let own =
            held.values.count { $0.client == client } + queue.count { $0.client == client }
            + fetches.values.count { $0.client == client }
        guard own < policy.perClient else {
            throw CloudletError(
                .busy, "\(client) has \(own) sessions already, more are not allowed",
                advice: "finish one of them first")
        }
    }

    func room(_ policy: Admission.Policy, _ host: Admission.Figures) -> Room {
        let promised = held.values.reduce(0) { $0 + $1.need.memory }
        // The host's figures don't include the resources of these yet.
        let filling = held.values.filter(\.fills)
        let writing = fetches.values.reduce(0) { $0 + $1.writing }
        return Room(
            memory: min(host.memory - promised, host.freeMemory - filling.reduce(0) { $0 + $1.need.memory })
                - policy.memoryReserve,
            disk: host.freeDisk - filling.reduce(0) { $0 + $1.need.disk } - writing - policy.diskReserve,
            machines: policy.machines > 0 ? policy.machines - held.count : .max >> 1,
            reserves: (policy.memoryReserve, policy.diskReserve))
    }

    /// What the session at a position of the queue lacks now; `nil` if it may proceed.
    func shortage(
        at position: Int, _ policy: Admission.Policy, _ host: Admission.Figures, _ now: ContinuousClock.Instant
    ) -> Shortage? {
        let entry = queue[position]
        var room = room(policy, host)
        for other in queue[..<position] where other.end > now {
            if other.isRelieved || lack(other.need, room) == nil {
                // It proceeds as soon as it checks again.
                room.memory -= other.need.memory
                room.disk -= other.need.disk
                room.machines -= 1
            } else if other.insistsFrom <= now, !leaves(other, beside: entry.need, policy, host) {
                return Shortage(reason: "others wait before this one")
            }
        }
        guard let lack = lack(entry.need, room) else { return nil }
        let isMemoryOnly = room.machines > 0 && entry.need.disk <= room.disk
        return Shortage(reason: lack, missingMemory: isMemoryOnly ? entry.need.memory - room.memory : 0)
    }

    /// Describes what is missing; `nil` if there is room.
    private func lack(_ need: Admission.Need, _ room: Room) -> String? {
        if room.machines <= 0 { return "\(held.count) VMs run, more are not allowed" }
        if need.memory > room.memory {
            return "the VM needs \(ByteCount(need.memory)) of memory, "
                + Self.left(room.memory, reserve: room.reserves.memory)
        }
        if need.disk > room.disk {
            return "the overlay needs \(ByteCount(need.disk)) of disk space, "
                + Self.left(room.disk, reserve: room.reserves.disk)
        }
        return nil
    }

    private static func left(_ bytes: Int, reserve: Int) -> String {
        "\(ByteCount(max(0, bytes))) are available, \(ByteCount(reserve)) are reserved for the host"
    }

    /// Whether a waiting session will get its room once the sessions admitted before it have ended, if a session with
    /// `need` is admitted now in addition to the later ones that were.
    private func leaves(
        _ waiting: Waiting, beside need: Admission.Need, _ policy: Admission.Policy, _ host: Admission.Figures
    ) -> Bool {
        let later = held.filter { $0.key > waiting.ticket }.map(\.value.need)
        let all = later + [waiting.need, need]
        let most = most(policy, host, sparing: 0)
        return all.reduce(0) { $0 + $1.memory } <= most.memory && all.reduce(0) { $0 + $1.disk } <= most.disk
            && all.count <= most.machines
    }

    /// Whether there would be room once all VMs had ended and the reclaimable memory was freed.
    func isHopeful(
        _ need: Admission.Need, _ policy: Admission.Policy, _ host: Admission.Figures, sparing spare: Int
    ) -> Bool {
        let most = most(policy, host, sparing: spare)
        return need.memory <= most.memory && need.disk <= most.disk
    }

    /// The room that there would be once all VMs had ended and `spare` bytes of memory were freed.
    private func most(_ policy: Admission.Policy, _ host: Admission.Figures, sparing spare: Int) -> Room {
        let taken = held.values.reduce(0) { $0 + $1.need.memory }
        return Room(
            memory: min(host.memory, host.freeMemory + taken + spare) - policy.memoryReserve,
            disk: min(host.disk, host.freeDisk.addedOrMost(host.disposableDisk)) - policy.diskReserve,
            machines: policy.machines > 0 ? policy.machines : .max >> 1)
    }
}
