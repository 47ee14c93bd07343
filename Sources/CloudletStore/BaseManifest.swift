// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import FoundationEssentials
package import SystemPackage

/// The manifest of a base VM (`NAME.base-seal`, JSON). It records the identities and a fingerprint of the data of each
/// file, so that other nodes can check the images without hashing their holes.
///
/// It shows that the files have not changed since they were made. It proves nothing about who made them.
package struct BaseManifest: Sendable, Hashable, Codable {
    /// The identity: SHA-256 of the disk.
    package let hash: SHA256Digest
    /// SHA-256 of the memory snapshot.
    package let memoryHash: SHA256Digest
    /// Fingerprints of the files' data. The keys are the endings of the file names; the disk's key is `disk`.
    package let data: [String: SHA256Digest]

    /// Creates a manifest.
    package init(hash: SHA256Digest, memoryHash: SHA256Digest, data: [String: SHA256Digest]) {
        (self.hash, self.memoryHash, self.data) = (hash, memoryHash, data)
    }

    /// The fingerprints of the disk and the memory snapshot, if the manifest has both.
    package var imageData: BaseVM.ImageData? {
        guard let disk = data["disk"], let memory = data["base-mem"] else { return nil }
        return .init(disk: disk, memory: memory)
    }

    private enum CodingKeys: String, CodingKey {
        case format, hash, data
        case memoryHash = "memory_hash"
    }

    private static let format = 1
    private static let maximumBytes = 64 << 10

    /// Decodes what `encode` writes.
    package init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        func digest(_ text: String, _ key: CodingKeys) throws -> SHA256Digest {
            guard let digest = SHA256Digest(hex: text) else {
                throw DecodingError.dataCorruptedError(forKey: key, in: container, debugDescription: "not a SHA-256")
            }
            return digest
        }
        guard try container.decode(Int.self, forKey: .format) == Self.format else {
            throw DecodingError.dataCorruptedError(forKey: .format, in: container, debugDescription: "unknown format")
        }
        hash = try digest(try container.decode(String.self, forKey: .hash), .hash)
        memoryHash = try digest(try container.decode(String.self, forKey: .memoryHash), .memoryHash)
        data = try container.decode([String: String].self, forKey: .data).mapValues { try digest($0, .data) }
    }

    /// Encodes digests as hexadecimal digits.
    package func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(Self.format, forKey: .format)
        try container.encode(hash.hex, forKey: .hash)
        try container.encode(memoryHash.hex, forKey: .memoryHash)
        try container.encode(data.mapValues(\.hex), forKey: .data)
    }

    /// Reads the manifest of a base VM; `nil` when it has none.
    /// - Throws: `CloudletError.badData` when the file is not a valid manifest.
    package init?(of files: BaseFiles) throws(CloudletError) {
        guard try FileStatus.of(files.manifest) != nil else { return nil }
        let bytes = try File(files.manifest, .read).read(Self.maximumBytes, at: 0)
        do { self = try JSONDecoder().decode(BaseManifest.self, from: Data(bytes)) } catch {
            throw CloudletError(
                .badData, "\(files.manifest) is damaged: \(error)", advice: "remove it, and the base VM is hashed again"
            )
        }
    }

    /// The manifest as text, ready to be written to a file.
    package func text() throws(CloudletError) -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        do { return Array(try encoder.encode(self)) + [0x0A] } catch {
            throw CloudletError(.defect, "the manifest can't be written: \(error)")
        }
    }
}

extension BaseFiles {
    /// The files that a manifest covers, with their keys in it.
    package var inManifest: [(name: String, path: FilePath)] {
        [
            ("disk", disk), ("base-mem", memory), ("base-img-meta", diskHashes), ("base-mem-meta", memoryHashes),
            ("base-mem-index", memoryIndex),
        ]
    }
}
