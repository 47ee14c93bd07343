// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletFinding
import FoundationEssentials
import Glibc
import SystemPackage

/// Searches and prints one line an event: microseconds, `+`, `*` or `-`, and the node as JSON; with a base VM, at last
/// `!` and the node to use. With `--ask SECONDS` says then what is known, and in what time it was told, and ends.
func runFinder(_ options: Options) async throws {
    var search = FinderOptions()
    search.interfaces = options.all("interface")
    search.hosts = options.all("host")
    search.stateDirectory = options.one("state").map { FilePath($0) }
    search.isWatching = options.has("watch")
    if let seconds = options.one("timeout").flatMap(Double.init) { search.timeout = .seconds(seconds) }
    if let seconds = options.one("check").flatMap(Double.init) { search.checkInterval = .seconds(seconds) }
    if options.has("protocol") { search.protocols = Set(options.all("protocol").compactMap(DiscoveryOrigin.init)) }
    let finder = Finder(search)
    let start = ContinuousClock.now
    let endless = options.one("watch").flatMap(Double.init)
    let count = try await finder.withEvents { events in
        try await withThrowingTaskGroup(of: Int.self) { group in
            group.addTask {
                var count = 0
                for await event in events {
                    count += show(event, ContinuousClock.now - start)
                }
                return count
            }
            if let wait = options.one("ask").flatMap(Double.init) {
                group.addTask {
                    try await Task.sleep(for: .seconds(wait))
                    let asked = ContinuousClock.now
                    let ids = finder.found.map { "\($0.key)" }
                    let time = ContinuousClock.now - asked
                    print("asked: \(Int(time.seconds * 1_000_000_000)) ns, \(ids.joined(separator: " "))")
                    return ids.count
                }
            }
            if let endless {
                group.addTask {
                    try await Task.sleep(for: .seconds(endless))
                    return -1
                }
            }
            defer { group.cancelAll() }
            return try await group.next() ?? 0
        }
    }
    if let base = options.one("base").flatMap({ SHA256Digest(hex: $0) }) {
        if let best = FoundNode.ranked(finder.found, wanting: base).first { print("! \(best.key)") }
    }
    if count == 0 {
        for hint in finder.explainNothingFound() { print("? \(hint.finding): \(hint.advice)") }
    }
}

private func show(_ event: FinderEvent, _ time: Duration) -> Int {
    let (sign, node): (String, FoundNode?) =
        switch event {
        case .found(let node): ("+", node)
        case .updated(let node): ("*", node)
        case .lost(let node): ("-", node)
        case .quiet: ("=", nil)
        }
    let json = node.flatMap { try? JSONEncoder().encode($0) }.map { String(decoding: $0, as: UTF8.self) } ?? ""
    print("\(Int(time.seconds * 1_000_000) / 100 * 100) us \(sign) \(json)")
    fflush(nil)
    return sign == "+" ? 1 : 0
}
