import CloudletCore
import CloudletSystem

/// What sessions hold of the host, and which of them wait.
struct AdmissionState {
    /// A synthesis or VM that was admitted.
    struct Held {
        let client: String
        let need: Admission.Need
        /// Whether what it takes does not show in the host's figures yet.
        var fills = true
    }

    /// A package that is being fetched.
    struct Fetch {
        let client: String
        /// Bytes that are about to be written; what was written shows in the host's figures.
        var writing = 0
    }

    /// A session that waits.
    struct Waiting {
        let ticket: Int
        let client: String
        let need: Admission.Need
        /// From then on it is no longer passed by those that would take what it waits for.
        let insistsFrom: ContinuousClock.Instant
        /// Until when it waits.
        let end: ContinuousClock.Instant
        /// Whether memory is being freed for it.
        var isRelieved = false
        /// Set when it should look again.
        var changed: AsyncEvent?
    }

    /// What is neither used nor promised, in bytes.
    struct Room {
        var memory: Int
        var disk: Int
        /// VMs that may still be begun.
        var machines: Int
        /// Bytes that are left to the host, for messages.
        var reserves = (memory: 0, disk: 0)
    }

    /// What a session that waits lacks.
    struct Turn {
        /// In words; `nil` when it may go.
        let lack: String?
        /// Bytes of memory, where nothing else is missing.
        var missingMemory = 0
    }

    var held: [Int: Held] = [:]
    var fetches: [Int: Fetch] = [:]
    var queue: [Waiting] = []
    var next = 0
    /// The host's figures as they were seen last.
    var seen: (time: ContinuousClock.Instant, figures: Admission.Figures)?
    /// Counts what changes the host's figures or their meaning.
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
        // What is being filled does not show in the host's figures yet.
        let filling = held.values.filter(\.fills)
        let writing = fetches.values.reduce(0) { $0 + $1.writing }
        return Room(
            memory: min(host.memory - promised, host.freeMemory - filling.reduce(0) { $0 + $1.need.memory })
                - policy.memoryReserve,
            disk: host.freeDisk - filling.reduce(0) { $0 + $1.need.disk } - writing - policy.diskReserve,
            machines: policy.machines > 0 ? policy.machines - held.count : .max >> 1,
            reserves: (policy.memoryReserve, policy.diskReserve))
    }

    /// Whether the session at a position of the queue may go now.
    func turn(
        of position: Int, _ policy: Admission.Policy, _ host: Admission.Figures, _ now: ContinuousClock.Instant
    ) -> Turn {
        let entry = queue[position]
        var room = room(policy, host)
        for other in queue[..<position] where other.end > now {
            if other.isRelieved || lack(other.need, room) == nil {
                // It goes as soon as it looks.
                room.memory -= other.need.memory
                room.disk -= other.need.disk
                room.machines -= 1
            } else if other.insistsFrom <= now, !leaves(other, beside: entry.need, policy, host) {
                return Turn(lack: "others wait before this one")
            }
        }
        guard let lack = lack(entry.need, room) else { return Turn(lack: nil) }
        let isMemoryOnly = room.machines > 0 && entry.need.disk <= room.disk
        return Turn(lack: lack, missingMemory: isMemoryOnly ? entry.need.memory - room.memory : 0)
    }

    /// What is missing, or `nil` when there is room.
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
        "\(ByteCount(max(0, bytes))) are left beside the host's \(ByteCount(reserve))"
    }

    /// Whether one that waits gets its room when those before it have ended, although others that came later have passed
    /// it and another one does.
    private func leaves(
        _ waiting: Waiting, beside need: Admission.Need, _ policy: Admission.Policy, _ host: Admission.Figures
    ) -> Bool {
        let later = held.filter { $0.key > waiting.ticket }.map(\.value.need)
        let all = later + [waiting.need, need]
        let most = most(policy, host, sparing: 0)
        return all.reduce(0) { $0 + $1.memory } <= most.memory && all.reduce(0) { $0 + $1.disk } <= most.disk
            && all.count <= most.machines
    }

    /// Whether there would be room if all that may end had ended.
    func isHopeful(
        _ need: Admission.Need, _ policy: Admission.Policy, _ host: Admission.Figures, sparing spare: Int
    ) -> Bool {
        let most = most(policy, host, sparing: spare)
        return need.memory <= most.memory && need.disk <= most.disk
    }

    /// The room there would be if all VMs had ended, and so much memory been given up.
    private func most(_ policy: Admission.Policy, _ host: Admission.Figures, sparing spare: Int) -> Room {
        let taken = held.values.reduce(0) { $0 + $1.need.memory }
        return Room(
            memory: min(host.memory, host.freeMemory + taken + spare) - policy.memoryReserve,
            disk: min(host.disk, host.freeDisk.addedOrMost(host.disposableDisk)) - policy.diskReserve,
            machines: policy.machines > 0 ? policy.machines : .max >> 1)
    }
}
