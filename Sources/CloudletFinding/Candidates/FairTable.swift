// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery
import CloudletNetwork

/// What hosts announced, by name. Its size is bounded in all and for each host, so that a host that announces much
/// displaces its own entries, and no host is shut out for good.
struct FairTable<Value: Sendable>: Sendable {
    /// The largest number of entries.
    static var maximum: Int { 2048 }
    /// The largest number of entries of one source.
    static var share: Int { 64 }
    /// When the table is full, a source with at least this many entries loses one of its own; for others the source with
    /// the most entries does.
    private static var ownEvictionThreshold: Int { 8 }

    private struct Entry: Sendable {
        var value: Value
        let source: IPAddress
    }

    private var entries: [DNSName: Entry] = [:]
    /// The names each source announced, oldest first.
    private var names: [IPAddress: [DNSName]] = [:]
    /// Whether an entry is complete: incomplete ones are dropped first.
    private let isComplete: @Sendable (Value) -> Bool

    /// Creates an empty table.
    init(isComplete: @escaping @Sendable (Value) -> Bool) { self.isComplete = isComplete }

    /// The number of entries.
    var count: Int { entries.count }

    /// The entry of a name.
    subscript(name: DNSName) -> Value? { entries[name]?.value }

    /// Changes an entry. A new one belongs to `source` and begins as `initial`.
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

    /// Removes an entry.
    /// - Returns: its value.
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
            let largest = own >= Self.ownEvictionThreshold ? source : names.max { $0.value.count < $1.value.count }?.key
            evict(from: largest ?? source)
        }
    }

    /// Drops the oldest incomplete entry of a source, or its oldest when all are complete.
    private mutating func evict(from source: IPAddress) {
        guard let names = names[source], let oldest = names.first else { return }
        _ = remove(names.first { name in entries[name].map { !isComplete($0.value) } ?? true } ?? oldest)
    }
}
