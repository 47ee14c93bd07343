package import CloudletCore
import CloudletOverlay
import CloudletStore
import CloudletSystem
package import SystemPackage

/// Where an overlay is written: beside its directory, which appears when it is complete; in an existing directory, which
/// may be a file system of its own, inside of it. Nothing that appears there meanwhile is touched.
package struct OverlayPlace: Sendable {
    /// The overlay's directory.
    let directory: FilePath
    /// Where the files are until all are there.
    let part: FilePath
    private let made: [FilePath]
    /// Gives a new directory its name.
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

    /// Moves the files into their place, the one named `last` behind the others. A power cut takes nothing back then.
    func publish(last: String) throws(CloudletError) {
        if let publication {
            // A directory takes the place of nothing or of an empty one.
            try publication.publish()
        } else {
            try Directory.synchronize(part)
            try move(last: last)
        }
        // The names of directories that were made for it are in those above them.
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

    /// Removes what was written, and the directories that were made for it.
    func discard() {
        publication?.discard()
        try? FileSystem.remove(part)
        Directory.removeEmpty(made)
    }
}

extension OverlayPlace {
    /// Refuses to begin where the overlay could not be written at the end: tries the directory, and the program that is needed
    /// then.
    package static func require(_ directory: FilePath, name: String) async throws(CloudletError) {
        try tryWriting(to: directory, name: name)
        _ = try await ImageTool.run(["--version"])
    }

    /// Refuses a directory to which an overlay can't go, before any work is done.
    package static func requireFree(_ directory: FilePath) throws(CloudletError) {
        guard let status = try FileStatus.of(directory) else { return }
        guard status.isDirectory, try Directory.names(in: directory).isEmpty else {
            throw CloudletError(
                .cannotCreate, "\(directory) exists and is not empty",
                advice: "name another directory, or one that is empty")
        }
    }

    /// Free bytes without which nobody begins to write an overlay.
    private static let leastRoom = 32 << 20

    /// Finds out whether an overlay can go to a place, by writing there, before any work is done.
    /// - Parameters:
    ///   - directory: the overlay's directory.
    ///   - name: the first part of its files' names.
    ///   - room: free bytes that there must be.
    /// - Throws: `CloudletError` with what is in the way; nothing is left there in any case.
    static func tryWriting(
        to directory: FilePath, name: String, room: Int = leastRoom
    ) throws(CloudletError) {
        guard !directory.isEmpty else {
            throw CloudletError(.usage, "the overlay's directory has no name", advice: "name one")
        }
        let place = try OverlayPlace(directory, noting: nil)
        defer { place.discard() }
        for file in ["\(name).overlay-meta", "\(name).overlay_\(OverlayMeta.Limits().blobs).zst"] {
            let trial = try File(place.part.appending(file), .create(permissions: 0o600))
            try trial.write([UInt8](repeating: 1, count: 4096), at: 0)
        }
        if !place.isInside {
            // The last step, the directory's own name.
            try Directory.create(directory)
            Directory.removeEmpty([directory])
        }
        let free = try FileSystem.freeSpace(at: place.part)
        guard free >= room else {
            throw CloudletError(
                .io, "\(directory) has room for \(ByteCount(free)), too little for an overlay",
                advice: "make room for at least \(ByteCount(room)), or name another directory")
        }
    }
}
