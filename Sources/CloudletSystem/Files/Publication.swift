// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux
package import CloudletCore
import Glibc
import Synchronization
package import SystemPackage

/// Files and directories that are written under temporary names in their directories, and get their own names when all
/// of them are complete and on the disk. After ``publish()`` has returned, a power cut can't undo it.
///
/// The temporary names are `NAME.part-TOKEN`. Several files become valid together: when all are on the disk, the last
/// one is renamed to `NAME.commit-TOKEN`, then the others to their names, then the last one to its name. If a writer is
/// killed, ``recover(_:)`` finds its files: if there is a `commit`, it makes the remaining renames, otherwise it
/// removes all files. A running writer holds a lock (flock(2)) on each of its files.
package final class Publication: Sendable {
    private struct Part {
        let path: FilePath
        let file: File
        /// The directories whose entries must reach the disk together with this part.
        let directories: [FilePath]
    }

    private let token = String(UInt64.random(in: 0 ... .max), radix: 36)
    private let parts = Mutex<[Part]>([])

    /// A publication without files.
    package init() {}

    deinit { discard() }

    /// Makes the file that will be renamed to `path`, with these permissions without those in the process's umask.
    /// - Throws: `CloudletError.permission` when the file could be neither renamed nor removed.
    package func create(_ path: FilePath, permissions: UInt32) throws(CloudletError) -> File {
        try Self.requireExchangeable(path)
        let name = partName(path)
        let file = try File(name, .create(permissions: permissions))
        try add(path, file, directories: [path.parent])
        return file
    }

    /// Makes the directory that will be renamed to `path`, and its missing parents. The caller must synchronize its
    /// content.
    /// - Returns: the temporary name.
    package func createDirectory(_ path: FilePath) throws(CloudletError) -> FilePath {
        var directories = [path.parent]
        while let last = directories.last, try FileStatus.of(last) == nil, last != last.parent {
            directories.append(last.parent)
        }
        try Self.requireExchangeable(path)
        let name = partName(path)
        try Directory.create(name)
        try add(path, try Directory.open(name), directories: directories)
        return name
    }

    /// The open file that will be renamed to `path`, if this publication has it.
    package func file(of path: FilePath) -> File? { parts.withLock { $0.first { $0.path == path }?.file } }

    /// Writes all parts to the disk and renames them in the order in which they were made; the last one decides.
    /// Existing files and empty directories with these names are replaced.
    /// - Throws: `CloudletError` when something can't be written. Then ``discard()`` removes the parts that have no
    ///   name yet, unless the last one has decided already.
    package func publish() throws(CloudletError) {
        let parts = parts.withLock { $0 }
        guard let last = parts.last else { return }
        for part in parts { try part.file.synchronize() }
        let directories = Set(parts.flatMap(\.directories))
        if parts.count > 1 {
            // The entries of the parts must be on the disk before the `commit` that declares them complete.
            for directory in directories { try Directory.synchronize(directory) }
            try FileSystem.move(partName(last.path), to: commitName(last.path))
            try Directory.synchronize(last.path.parent)
        }
        for (index, part) in parts.dropLast().enumerated() {
            do throws(CloudletError) { try FileSystem.move(partName(part.path), to: part.path) } catch {
                // Nothing has been renamed yet, so undo the decision: no later process could complete it either.
                if index == 0 { try? FileSystem.move(commitName(last.path), to: partName(last.path)) }
                throw error
            }
        }
        if parts.count > 1 { for directory in directories { try Directory.synchronize(directory) } }
        try FileSystem.move(parts.count > 1 ? commitName(last.path) : partName(last.path), to: last.path)
        for directory in directories { try Directory.synchronize(directory) }
        self.parts.withLock { $0 = [] }
    }

    /// Removes the parts that have not been published.
    package func discard() {
        let parts = parts.withLock { parts in
            defer { parts = [] }
            return parts
        }
        // After the decision, ``recover(_:)`` completes the rest.
        guard let last = parts.last, let commit = try? FileSystem.exists(commitName(last.path)), !commit else { return }
        for part in parts { try? FileSystem.remove(partName(part.path)) }
    }

    private func add(_ path: FilePath, _ file: File, directories: [FilePath]) throws(CloudletError) {
        // On a file system without locks, no other process removes the file either.
        _ = flock(file.descriptor, LOCK_EX)
        parts.withLock { $0.append(Part(path: path, file: file, directories: directories)) }
        guard try FileStatus.of(file.path)?.identity == file.status().identity else {
            throw CloudletError(.busy, "\(file.path) was removed while it was written", advice: "try again")
        }
    }

    /// Throws for an append-only directory or an immutable file, where the temporary file would stay forever.
    private static func requireExchangeable(_ path: FilePath) throws(CloudletError) {
        for obstacle in [path, path.parent] where unsafe cloudlet_is_immutable(obstacle.string) != 0 {
            throw CloudletError(
                .permission, "\(path) can't be written: \(obstacle) is immutable or append-only",
                advice: "'lsattr' shows this attribute, and 'chattr' removes it")
        }
    }

    private func partName(_ path: FilePath) -> FilePath { FilePath("\(path).part-\(token)") }
    private func commitName(_ path: FilePath) -> FilePath { FilePath("\(path).commit-\(token)") }
}

extension Publication {
    /// Completes the renames of ended writers of files with these names, or removes their files. All names must be in
    /// one directory. Files of other users are ignored, and so are files on file systems without locks.
    /// - Returns: whether a publication was completed.
    /// - Throws: `CloudletError` when renames after a decision can't be completed.
    @discardableResult
    package static func recover(_ paths: [FilePath]) throws(CloudletError) -> Bool {
        guard let directory = paths.first?.parent, let names = try? Directory.names(in: directory) else { return false }
        var left: [String: [Leftover]] = [:]
        for name in names {
            for path in paths {
                guard let wanted = path.lastComponent?.string, let found = Leftover(name, of: wanted, path) else {
                    continue
                }
                left[found.token, default: []].append(found)
            }
        }
        var isCompleted = false
        for leftovers in left.values {
            // Hold the locks until everything is done: two processes that find the same files must not both act.
            let locks = leftovers.map { try? Lock($0.temporary) }
            guard locks.allSatisfy({ $0 != nil }) else { continue }
            if let decided = leftovers.first(where: \.isCommit) {
                for part in leftovers where !part.isCommit { try FileSystem.move(part.temporary, to: part.path) }
                try Directory.synchronize(directory)
                try FileSystem.move(decided.temporary, to: decided.path)
                try Directory.synchronize(directory)
                isCompleted = true
            } else {
                for part in leftovers { try? FileSystem.remove(part.temporary) }
            }
        }
        return isCompleted
    }

    /// A file with a temporary name.
    private struct Leftover {
        let temporary: FilePath
        let path: FilePath
        let token: String
        let isCommit: Bool

        init?(_ name: String, of wanted: String, _ path: FilePath) {
            guard name.hasPrefix(wanted + ".") else { return nil }
            let rest = name.dropFirst(wanted.count + 1)
            guard let dash = rest.firstIndex(of: "-"), ["part", "commit"].contains(rest[..<dash]) else { return nil }
            token = String(rest[rest.index(after: dash)...])
            guard !token.isEmpty, token.utf8.allSatisfy({ (0x30...0x39).contains($0) || (0x61...0x7A).contains($0) })
            else { return nil }
            isCommit = rest[..<dash] == "commit"
            temporary = path.parent.appending(name)
            self.path = path
        }
    }

    /// The lock of one of our files whose writer has ended.
    private struct Lock {
        private let file: File

        init(_ path: FilePath) throws(CloudletError) {
            // In a shared directory, other users could put a link or a pipe at this path.
            file = try File(opening: path, .readOnly, [.noFollow, .nonBlocking], "can't open \(path)")
            guard try file.status().owner == geteuid() else {
                throw CloudletError(.permission, "\(path) belongs to another user")
            }
            guard flock(file.descriptor, LOCK_EX | LOCK_NB) == 0 else {
                throw CloudletError(errno: errno, "\(path) is being written")
            }
        }
    }
}

extension File {
    /// Writes a small file so that readers of `path` see either the old or the new bytes, even after a power cut.
    package static func replace(
        _ path: FilePath, with bytes: [UInt8], permissions: UInt32
    ) throws(CloudletError) {
        try Publication.recover([path])
        let publication = Publication()
        try publication.create(path, permissions: permissions).write(bytes, at: 0)
        try publication.publish()
    }
}

extension FilePath {
    /// The directory that contains this file.
    fileprivate var parent: FilePath {
        let directory = removingLastComponent()
        return directory.isEmpty ? "." : directory
    }
}
