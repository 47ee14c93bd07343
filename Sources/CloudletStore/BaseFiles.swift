// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
package import SystemPackage

/// The files of a base VM. Its disk is `DIR/NAME.EXT`, and the others are beside it. NAME is the disk's name without
/// its last extension, as in the original.
package struct BaseFiles: Hashable, Sendable {
    /// The user's raw disk.
    package let disk: FilePath

    /// Creates the names of the files that belong to this disk.
    package init(disk: FilePath) { self.disk = disk }

    /// Resolves the path of a disk from which a base VM is to be made.
    /// - Throws: `CloudletError` when the file does not exist, or its path can't be used.
    package static func locate(_ disk: FilePath) throws(CloudletError) -> FilePath {
        let path = try CloudletHome.resolve(disk)
        // Libvirt writes the path into XML documents without escaping these characters, so it could not read the
        // documents back.
        guard !path.string.unicodeScalars.contains(where: { $0.value < 0x20 || $0.value == 0x7F }) else {
            throw CloudletError(
                .usage,
                "the path '\(path.string.displayable(limit: 1000))' contains a control character, such as a line feed",
                advice: "rename the file or its directory")
        }
        return path
    }

    /// Page hashes of the disk.
    package var diskHashes: FilePath { beside("base-img-meta") }
    /// The memory snapshot.
    package var memory: FilePath { beside("base-mem") }
    /// Page hashes of the memory snapshot, in page order.
    package var memoryHashes: FilePath { beside("base-mem-meta") }
    /// The same page hashes, ordered by hash; ours.
    package var memoryIndex: FilePath { beside("base-mem-index") }
    /// The identity: 64 hexadecimal digits and a line feed.
    package var hash: FilePath { beside("base-hash") }

    /// The manifest: fingerprints of the files, recorded when the base VM was made; ours.
    package var manifest: FilePath { beside("base-seal") }

    /// All files except the disk.
    package var derived: [FilePath] { [diskHashes, memory, memoryHashes, memoryIndex, hash, manifest] }

    /// The disk's name without its last extension.
    package var name: String { disk.stem ?? disk.lastComponent?.string ?? "base" }

    private func beside(_ suffix: String) -> FilePath {
        disk.removingLastComponent().appending("\(name).\(suffix)")
    }
}
