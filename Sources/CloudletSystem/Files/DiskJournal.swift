// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Synchronization
package import SystemPackage

/// Lets tests check in which order files reach the disk. A test can't cut the power, but can check what would survive.
package enum DiskJournal {
    /// An operation.
    package enum Event: Hashable, Sendable {
        /// Everything written to a file, or all names in a directory, reached the disk.
        case synchronized(FilePath)
        /// A file was renamed.
        case renamed(FilePath, to: FilePath)
    }

    private struct State {
        let directory: FilePath
        var events: [Event] = []
    }

    private static let isOpen = Atomic(false)
    private static let state = Mutex<[State]>([])

    /// Runs `body` and records the operations at and below `directory`.
    package static func recording<Value>(
        below directory: FilePath, _ body: () async throws -> Value
    ) async rethrows -> (Value, [Event]) {
        isOpen.store(true, ordering: .relaxed)
        state.withLock { $0.append(State(directory: directory)) }
        func close() -> [Event] {
            state.withLock { states in
                guard let index = states.firstIndex(where: { $0.directory == directory }) else { return [] }
                return states.remove(at: index).events
            }
        }
        do {
            let value = try await body()
            return (value, close())
        } catch {
            _ = close()
            throw error
        }
    }

    static func note(_ event: Event) {
        guard isOpen.load(ordering: .relaxed) else { return }
        let path =
            switch event {
            case .synchronized(let path): path
            case .renamed(_, let target): target
            }
        state.withLock { states in
            for index in states.indices {
                if path.starts(with: states[index].directory) { states[index].events.append(event) }
            }
        }
    }
}
