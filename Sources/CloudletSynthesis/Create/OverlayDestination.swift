// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletOverlay
import CloudletStore
import CloudletSystem
package import SystemPackage

/// The directory to which an overlay is written. A new directory is written beside its final path and renamed when it is
/// complete. An existing directory may be a file system of its own, so the files are written inside it. Files that
/// others create there meanwhile are not touched.
package struct OverlayDestination: Sendable {
    /// The overlay's directory.
    let directory: FilePath
    /// The directory of the files until all are complete.
    let part: FilePath
    private let made: [FilePath]
    /// Renames a new directory to its final name.
    private let publication: Publication?
    fileprivate let isInside: Bool

    /// Makes the directory for the files.
    init(_ directory: FilePath, noting records: UnfinishedFiles?) throws(CloudletError) {
        try Publication.recover([directory.absolute])
        try Self.requireFree(directory)
        self.directory = directory
        isInside = try FileStatus.of(directory) != nil
        let parent = isInside ? directory.absolute : directory.absolute.removingLastComponent()
        made = try Directory.create(parent.absolute)
        do throws(CloudletError) {
            if isInside {
                publication = nil
                part = parent.appending(".overlay" + UnfinishedFiles.suffix())
                try records?.note(part)
                try Directory.create(part)
            } else {
                let publication = Publication()
                self.publication = publication
                part = try publication.createDirectory(directory.absolute)
                try records?.note(part)
            }
        } catch {
            Directory.removeEmpty(made)
            throw error
        }
    }

    /// Moves the files to their final directory, the one named `last` after all others. Afterwards a power cut loses
    /// nothing.
    func publish(last: String) throws(CloudletError) {
        if let publication {
            // A directory can be renamed to a free name or over an empty directory.
            try publication.publish()
        } else {
            try Directory.synchronize(part)
            try move(last: last)
        }
        // New directories also need their names on the disk: synchronize their parents.
        for path in [part] + made { try Directory.synchronize(path.removingLastComponent()) }
    }

    private func move(last: String) throws(CloudletError) {
        var moved: [FilePath] = []
        do throws(CloudletError) {
            for name in try Directory.names(in: part).filter({ $0 != last }) + [last] {
                let target = directory.appending(name)
                guard try FileStatus.of(target) == nil else {
                    throw CloudletError(
                        .cannotCreate, "\(target) appeared while the overlay was written", advice: "move it away")
                }
                try FileSystem.move(part.appending(name), to: target)
                moved.append(target)
            }
            try FileSystem.remove(part)
        } catch {
            for path in moved { try? FileSystem.remove(path) }
            throw error
        }
    }

    /// Removes the files written so far and the directories made for them.
    func discard() {
        publication?.discard()
        try? FileSystem.remove(part)
        Directory.removeEmpty(made)
    }
}

extension OverlayDestination {
    /// Throws if the overlay could not be written at the end: tries to write to the directory, and to run `qemu-img`,
    /// which is needed then.
    package static func require(_ directory: FilePath, name: String) async throws(CloudletError) {
        try tryWriting(to: directory, name: name)
        _ = try await ImageTool.run(["--version"])
    }

    /// Throws if an overlay can't be written to this directory; called before any work is done.
    package static func requireFree(_ directory: FilePath) throws(CloudletError) {
        guard let status = try FileStatus.of(directory) else { return }
        guard status.isDirectory, try Directory.names(in: directory).isEmpty else {
            throw CloudletError(
                .cannotCreate, "\(directory) exists and is not empty",
                advice: "name another directory, or one that is empty")
        }
    }

    /// Bytes that must be free before an overlay is begun.
    private static let leastRoom = 32 << 20

    /// Checks, by writing there and before any work is done, whether an overlay can be written to a directory.
    /// - Parameters:
    ///   - directory: the overlay's directory.
    ///   - name: the first part of its files' names.
    ///   - room: bytes that must be free.
    /// - Throws: `CloudletError` with the reason. No file is left there in any case.
    static func tryWriting(
        to directory: FilePath, name: String, room: Int = leastRoom
    ) throws(CloudletError) {
        guard !directory.isEmpty else {
            throw CloudletError(.usage, "the overlay's directory has no name", advice: "name one")
        }
        let destination = try OverlayDestination(directory, noting: nil)
        defer { destination.discard() }
        for file in ["\(name).overlay-meta", "\(name).overlay_\(OverlayMeta.Limits().blobs).zst"] {
            let trial = try File(destination.part.appending(file), .create(permissions: 0o600))
            try trial.write([UInt8](repeating: 1, count: 4096), at: 0)
        }
        if !destination.isInside {
            // Also try the last step, which makes the directory itself.
            try Directory.create(directory)
            Directory.removeEmpty([directory])
        }
        let free = try FileSystem.freeSpace(at: destination.part)
        guard free >= room else {
            throw CloudletError(
                .io, "\(directory) has \(ByteCount(free)) of free space, too little for an overlay",
                advice: "make room for at least \(ByteCount(room)), or name another directory")
        }
    }
}
