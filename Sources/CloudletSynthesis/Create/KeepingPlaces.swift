import CloudletCore
package import CloudletSystem
package import SystemPackage

/// Directories in which something is kept that could not be written where it belongs.
package struct KeepingPlaces: Sendable {
    private let directories: [FilePath]
    private let note: @Sendable (String) -> Void
    /// How often the program was asked to stop.
    private let interruptions: Interruptions

    /// Directories of this host; the first that can hold it is taken.
    /// - Parameters:
    ///   - first: the directory to try first; made when it is missing.
    ///   - interruptions: how often the program was asked to stop. The first time breaks off what can be done again from
    ///     what is kept; the second gives up the keeping itself.
    ///   - note: receives a sentence when there is no room anywhere, and when something is kept because of an interruption.
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

    /// Runs what makes, of a VM in which all work is done, what is kept of it: a first interruption does not end it.
    func saving<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value { try await interruptions.run(until: 2, body) }

    /// Runs what can be done again from what is kept: a first interruption ends it.
    func writing<Value: Sendable>(
        _ body: @escaping @Sendable () async throws(CloudletError) -> Value
    ) async throws(CloudletError) -> Value { try await interruptions.run(until: 1, body) }

    /// Explains to whoever has interrupted the writing why the program still runs.
    func explainKeeping(because error: CloudletError) {
        guard error.code == .interrupted else { return }
        note("Interrupted. The VM is being kept, so that no work is lost; Ctrl-C again gives it up.")
    }

    /// How long room is waited for.
    private static let timeout = Duration.seconds(3600)

    /// Makes a directory (0700) and has it filled. When that fails in all places it is tried again until there is room:
    /// what is to be kept lives in this process.
    /// - Throws: `CloudletError` when the task is cancelled, or nothing worked for an hour.
    func fill(_ body: (FilePath) async throws(CloudletError) -> Void) async throws(CloudletError) -> FilePath {
        var found: FilePath?
        var failures: [String] = []
        // File systems report no event when there is room again.
        _ = try await poll(every: .seconds(1), upTo: .seconds(15), for: Self.timeout) {
            () async throws(CloudletError) in
            let isFirst = failures.isEmpty
            for place in directories {
                let name = "cloudlet-\(String(UInt64.random(in: 0 ... .max), radix: 36))"
                let directory = place.absolute.appending(name)
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
                    "No directory can hold what was made (\(failures.joined(separator: "; "))). Make room: the program "
                        + "tries again until there is. Ctrl-C, and once more after a second, gives it up.")
            }
            return false
        }
        guard let found else {
            throw CloudletError(.io, "no directory could hold what was made: \(failures.joined(separator: "; "))")
        }
        return found
    }
}
