// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletSystem
package import SystemPackage

/// Directories that can keep data when it could not be written to its destination.
package struct FallbackStorage: Sendable {
    private let directories: [FilePath]
    private let note: @Sendable (String) -> Void
    /// Counts how often the user asked the program to stop.
    private let interruptions: Interruptions

    /// Directories of this host. The first one with enough space is used.
    /// - Parameters:
    ///   - first: the directory to try first; it is created if it is missing.
    ///   - interruptions: counts how often the user asked the program to stop. The first interruption ends work that
    ///     can be repeated from the kept data. The second one also ends the keeping.
    ///   - note: receives a sentence when no directory has enough space, and when data is kept because of an
    ///     interruption.
    package init(_ first: FilePath, interruptions: Interruptions, note: @escaping @Sendable (String) -> Void) {
        self.init([first, "/var/tmp", File.temporaryDirectory], interruptions: interruptions, note: note)
    }

    init(
        _ directories: [FilePath], interruptions: Interruptions = Interruptions(),
        note: @escaping @Sendable (String) -> Void
    ) {
        self.directories = directories
        self.interruptions = interruptions
        self.note = note
    }

    /// Runs `body`, which saves a VM in which the user's work is done. A first interruption does not end it.
    func saving<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value { try await interruptions.run(until: 2, body) }

    /// Runs `body`, which can be repeated from the kept data. A first interruption ends it.
    func writing<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value { try await interruptions.run(until: 1, body) }

    /// Explains, after an interruption, why the program still runs.
    func explainKeeping(because error: CloudletError) {
        guard error.code == .interrupted else { return }
        note("Interrupted. The VM is being kept, so that no work is lost; Ctrl-C again discards it.")
    }

    /// How long to wait for free space.
    private static let timeout = Duration.seconds(3600)

    /// Makes a directory (0700) and calls `body` to fill it. If that fails in all directories, tries again until there
    /// is space, because the data exists only in this process.
    /// - Throws: `CloudletError` when the task is cancelled, or when nothing worked for an hour.
    func fill(_ body: (FilePath) async throws(CloudletError) -> Void) async throws(CloudletError) -> FilePath {
        var found: FilePath?
        var failures: [String] = []
        // File systems report no event when space becomes free.
        _ = try await poll(every: .seconds(1), upTo: .seconds(15), for: Self.timeout) {
            () async throws(CloudletError) in
            let isFirst = failures.isEmpty
            for parent in directories {
                let name = "cloudlet-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
                let directory = parent.absolute.appending(name)
                do throws(CloudletError) {
                    try Directory.create(directory, permissions: 0o700)
                    try await body(directory)
                    found = directory
                    return true
                } catch {
                    try? FileSystem.remove(directory)
                    if error.code == .interrupted { throw error }
                    if isFirst { failures.append(error.description) }
                }
            }
            if isFirst {
                note(
                    "The VM can't be kept in any directory (\(failures.joined(separator: "; "))). Free disk space: the "
                        + "program tries again until there is enough. Ctrl-C twice, a second apart, discards the VM.")
            }
            return false
        }
        guard let found else {
            throw CloudletError(.io, "the VM could not be kept in any directory: \(failures.joined(separator: "; "))")
        }
        return found
    }
}
