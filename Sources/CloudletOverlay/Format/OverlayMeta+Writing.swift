// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletMessagePack

/// Keys of the overlay-meta: the original's, then our extensions, which the original's readers skip.
enum MetaKey {
    static let baseHash = "base_vm_sha256"
    static let diskSize = "resumed_vm_disk_size"
    static let memorySize = "resumed_vm_memory_size"
    static let blobs = "overlay_files"
    static let blobName = "overlay_name"
    static let blobSize = "overlay_size"
    static let diskChunks = "disk_chunk"
    static let memoryChunks = "memory_chunk"
    static let compression = "overlay_compression"

    static let baseMemoryHash = "base_memory_sha256"
    static let forwards = "port_forwards"
    static let readyPort = "ready_port"
    static let guestClock = "guest_clock"
    static let guestRandom = "guest_random"
}

extension OverlayMeta {
    /// The meta as bytes: one map of MessagePack in the old raw form. Extensions come last, and only those that are set.
    package func encoded() -> [UInt8] {
        var extensions: [(String, MessagePackValue)] = []
        if let baseMemoryHash { extensions.append((MetaKey.baseMemoryHash, .text(baseMemoryHash.hex))) }
        if !forwards.isEmpty {
            extensions.append((MetaKey.forwards, .array(forwards.map { .text($0.description) })))
        }
        if let readyPort { extensions.append((MetaKey.readyPort, .unsigned(UInt64(readyPort)))) }
        if let guestClock { extensions.append((MetaKey.guestClock, .text(guestClock))) }
        if let guestRandom { extensions.append((MetaKey.guestRandom, .text(guestRandom))) }

        var writer = MessagePackWriter()
        writer.writeMapHeader(4 + extensions.count)
        writer.write(MetaKey.diskSize)
        writer.write(UInt64(diskSize))
        writer.write(MetaKey.baseHash)
        writer.write(baseHash.hex)
        writer.write(MetaKey.blobs)
        writer.writeArrayHeader(blobs.count)
        for blob in blobs {
            writer.writeMapHeader(blob.compression == .xz ? 4 : 5)
            writer.write(MetaKey.blobSize)
            writer.write(UInt64(blob.size))
            writer.write(MetaKey.diskChunks)
            writer.write(chunks: blob.diskChunks)
            writer.write(MetaKey.blobName)
            writer.write(blob.name)
            writer.write(MetaKey.memoryChunks)
            writer.write(chunks: blob.memoryChunks)
            if blob.compression != .xz {
                writer.write(MetaKey.compression)
                writer.write(blob.compression.rawValue)
            }
        }
        writer.write(MetaKey.memorySize)
        writer.write(UInt64(memorySize))
        for (key, value) in extensions {
            writer.write(key)
            writer.write(value)
        }
        return writer.bytes
    }

    /// The meta as bytes for a file.
    /// - Parameter limits: the limits of its readers.
    /// - Returns: the same as ``encoded()``.
    /// - Throws: `CloudletError.badData` when it has so many pages that readers would refuse it.
    package func encoded(within limits: Limits) throws(CloudletError) -> [UInt8] {
        let bytes = encoded()
        let pages = blobs.reduce(0) { $0 + $1.diskChunks.count + $1.memoryChunks.count }
        try Self.requireReadable(bytes: bytes.count, pages: pages, limits)
        return bytes
    }

    /// Checks that readers accept a meta of this size.
    static func requireReadable(bytes: Int, pages: Int, _ limits: Limits) throws(CloudletError) {
        guard bytes > limits.metaBytes else { return }
        throw CloudletError(
            .badData,
            "an overlay of \(pages) changed pages can't be written: its overlay-meta would take \(ByteCount(bytes)), and "
                + "readers accept at most \(ByteCount(limits.metaBytes))",
            advice: "create a base VM that contains most of the changes, and the overlay from that base VM")
    }
}

extension MessagePackWriter {
    fileprivate mutating func write(chunks: [UInt32]) {
        writeArrayHeader(chunks.count)
        for chunk in chunks { write(UInt64(chunk)) }
    }
}
