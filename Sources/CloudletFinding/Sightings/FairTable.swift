import CloudletDiscovery
import CloudletNetwork

/// What hosts say, by name: bounded in all and for each host, so that one who says much pushes out what it said itself,
/// and nobody is shut out for good.
struct FairTable<Value: Sendable>: Sendable {
    /// Most entries in all.
    static var maximum: Int { 2048 }
    /// Most entries that are due to one source.
    static var share: Int { 64 }
    /// From so many on, a source gives up an entry of its own when the table is full.
    private static var modest: Int { 8 }

    private struct Entry: Sendable {
        var value: Value
        let source: IPAddress
    }

    private var entries: [DNSName: Entry] = [:]
    /// The names due to each source, oldest first.
    private var names: [IPAddress: [DNSName]] = [:]
    /// Whether an entry is worth keeping more than others.
    private let isComplete: @Sendable (Value) -> Bool

    /// An empty table.
    init(isComplete: @escaping @Sendable (Value) -> Bool) { self.isComplete = isComplete }

    /// How many entries there are.
    var count: Int { entries.count }

    /// What is known under a name.
    subscript(name: DNSName) -> Value? { entries[name]?.value }

    /// Changes an entry, which is due to `source` and begins as `initial` when there is none yet.
    mutating func edit(
        _ name: DNSName, from source: IPAddress, initially initial: Value, _ change: (inout Value) -> Void
    ) {
        if entries[name] == nil {
            makeRoom(for: source)
            entries[name] = Entry(value: initial, source: source)
            names[source, default: []].append(name)
        }
        change(&entries[name, default: Entry(value: initial, source: source)].value)
    }

    /// Takes out an entry.
    mutating func remove(_ name: DNSName) -> Value? {
        guard let entry = entries.removeValue(forKey: name) else { return nil }
        names[entry.source]?.removeAll { $0 == name }
        if names[entry.source]?.isEmpty == true { names[entry.source] = nil }
        return entry.value
    }

    private mutating func makeRoom(for source: IPAddress) {
        let own = names[source]?.count ?? 0
        if own >= Self.share {
            evict(from: source)
        } else if entries.count >= Self.maximum {
            let largest = own >= Self.modest ? source : names.max { $0.value.count < $1.value.count }?.key
            evict(from: largest ?? source)
        }
    }

    /// Drops the oldest incomplete entry of a source, or else the oldest.
    private mutating func evict(from source: IPAddress) {
        guard let names = names[source], let oldest = names.first else { return }
        _ = remove(names.first { name in entries[name].map { !isComplete($0.value) } ?? true } ?? oldest)
    }
}
