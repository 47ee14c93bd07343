// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletSystem
import SystemPackage

/// An overlay in one file: a ZIP archive with *stored* members, `overlay-meta` and the blobs (elijah-cloudlet 0.8.4
/// and later). Source of the layout: PKWARE APPNOTE 6.3, sections 4.3.6 to 4.3.16 and 4.5.3 (ZIP64).
package struct OverlayPackage: Sendable {
    /// The archive.
    package let file: File
    /// The bytes of the meta, as they are sent.
    package let metaBytes: [UInt8]
    /// The content of the meta.
    package let meta: OverlayMeta
    /// The range in the file of each blob of the meta.
    package let blobs: [Range<Int>]

    private static let metaName = "overlay-meta"

    /// Reads the archive's directory and the meta.
    /// - Throws: `CloudletError.badData` when the file is not such an archive, or a blob is missing or has another size.
    package init(_ file: File) throws(CloudletError) {
        self.file = file
        let members = try Self.members(of: file)
        guard let range = members[Self.metaName] else { throw Self.damaged("it has no member \(Self.metaName)") }
        guard range.count <= OverlayMeta.Limits().metaBytes else {
            throw Self.damaged("its meta has \(ByteCount(range.count)), which is too large")
        }
        let bytes = try file.read(range.count, at: range.lowerBound)
        let meta: OverlayMeta
        do throws(OverlayFormatError) {
            meta = try OverlayMeta(reading: bytes.span)
        } catch {
            throw CloudletError(.badData, "the meta of the overlay package is not valid", cause: error)
        }
        var blobs: [Range<Int>] = []
        for blob in meta.blobs {
            let name = blob.name.displayable(limit: 60)
            guard let range = members[blob.name] else { throw Self.damaged("it has no blob '\(name)'") }
            guard range.count == blob.size else {
                throw Self.damaged("blob '\(name)' has \(range.count) bytes, but the meta says \(blob.size)")
            }
            blobs.append(range)
        }
        metaBytes = bytes
        self.meta = meta
        self.blobs = blobs
    }

    /// Whether a file begins like a ZIP archive with members, or like an empty one.
    static func isArchive(_ path: FilePath) throws(CloudletError) -> Bool {
        let start = try File(path, .read).read(4, at: 0)
        return start == [0x50, 0x4B, 3, 4] || start == [0x50, 0x4B, 5, 6]
    }

    private static func members(of file: File) throws(CloudletError) -> [String: Range<Int>] {
        let archive = try ZIPArchive(file)
        var members: [String: Range<Int>] = [:]
        let entries = try archive.entries()
        for entry in entries where !entry.isStored {
            throw damaged("'\(entry.name.displayable(limit: 60))' is compressed or encrypted, not stored")
        }
        for (entry, range) in zip(entries, try archive.ranges(of: entries)) {
            let name = entry.name.displayable(limit: 60)
            guard members[entry.name] == nil else { throw damaged("it contains '\(name)' twice") }
            members[entry.name] = range
        }
        return members
    }

    private static func damaged(_ reason: String) -> CloudletError {
        CloudletError(.badData, "the overlay package is not valid: \(reason)")
    }
}
