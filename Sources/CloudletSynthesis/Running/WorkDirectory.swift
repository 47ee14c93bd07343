public import CloudletCore
public import CloudletStore
import CloudletSystem
public import SystemPackage

/// A scratch directory of one VM (0700), locked while it is in use, so that leftovers of a crash can be told from
/// what is alive.
public final class WorkDirectory: Sendable {
    /// The directory.
    public let path: FilePath
    private let lock: FileLock

    /// Makes a directory below `CLOUDLET_HOME/scratch`.
    public init(in home: CloudletHome) throws(CloudletError) {
        try Directory.create(home.scratch, permissions: 0o700)
        path = home.scratch.appending(String(UInt64.random(in: 0 ... .max), radix: 36))
        // The lock comes first and goes last: a directory without a held lock is abandoned at any moment.
        guard let lock = try FileLock.tryAcquire(Self.lockFile(of: path)) else {
            throw CloudletError(.cannotCreate, "the scratch directory \(path) is in use already")
        }
        self.lock = lock
        try Directory.create(path, permissions: 0o700)
    }

    /// A path inside the directory.
    public func file(_ name: String) -> FilePath { path.appending(name) }

    /// Removes the directory and all it holds.
    public func remove() throws(CloudletError) { try Self.remove(path) }

    /// Removes directories that nobody holds any more.
    /// - Returns: how many there were.
    @discardableResult
    public static func removeAbandoned(in home: CloudletHome) throws(CloudletError) -> Int {
        var count = 0
        for name in try Directory.names(in: home.scratch) {
            let path = home.scratch.appending(
                name.hasSuffix(lockSuffix) ? String(name.dropLast(lockSuffix.count)) : name)
            guard let lock = try? FileLock.tryAcquire(lockFile(of: path)) else { continue }
            if try FileStatus.of(path) != nil { count += 1 }
            try remove(path)
            withExtendedLifetime(lock) {}
        }
        return count
    }

    private static let lockSuffix = ".lock"

    private static func lockFile(of path: FilePath) -> FilePath { FilePath(path.string + lockSuffix) }

    private static func remove(_ path: FilePath) throws(CloudletError) {
        try Directory.remove(path)
        try Directory.remove(lockFile(of: path))
    }
}
