// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMessagePack

extension OverlayMeta {
    /// Limits on what a meta may announce. A meta that exceeds them is refused before memory is allocated for its content.
    package struct Limits: Sendable {
        /// Largest meta file in bytes.
        package var metaBytes = 16 << 20
        /// Largest disk or memory image in bytes.
        package var imageBytes = 1 << 40
        /// Largest number of blobs.
        package var blobs = 1 << 20
        /// Largest blob in bytes.
        package var blobBytes = 1 << 40

        /// Creates the default limits.
        package init() {}
    }

    /// Reads an overlay-meta and checks that it is consistent: sizes within the limits, plain and unique names, chunk
    /// numbers inside their image, no chunk listed twice. Unknown keys are skipped.
    package init(reading bytes: Span<UInt8>, limits: Limits = Limits()) throws(OverlayFormatError) {
        guard bytes.count <= limits.metaBytes else {
            throw OverlayFormatError(
                .badValue("the meta has \(bytes.count) bytes, more than the limit of \(limits.metaBytes)"))
        }
        var fields = MetaFields()
        var reader = MessagePackReader(bytes)
        do {
            try fields.read(&reader, limits: limits)
            try reader.requireEnd()
        } catch let error as MessagePackError {
            throw OverlayFormatError(.notMessagePack(error.description))
        } catch {
            var problem = (error as? OverlayFormatError) ?? OverlayFormatError(.notMessagePack("\(error)"))
            problem.byte = reader.position
            throw problem
        }
        self = try fields.assembled()
        try validate(limits)
    }

    private func validate(_ limits: Limits) throws(OverlayFormatError) {
        for size in [diskSize, memorySize] where size < 0 || size > limits.imageBytes {
            throw OverlayFormatError(.badValue("an image size of \(size) bytes is not accepted"))
        }
        guard diskSize > 0 else { throw OverlayFormatError(.badValue("a disk of 0 bytes is not possible")) }
        var names: Set<String> = []
        for blob in blobs {
            guard Self.isPlainFileName(blob.name) else { throw OverlayFormatError(.badName(blob.name)) }
            guard names.insert(blob.name).inserted else { throw OverlayFormatError(.duplicateName(blob.name)) }
            guard blob.size >= 0, blob.size <= limits.blobBytes else {
                throw OverlayFormatError(.badValue("a blob size of \(blob.size) bytes is not accepted"))
            }
            let (name, empty) = (blob.name.displayable(limit: 60), blob.compression.emptyFileBytes)
            guard blob.size >= empty else {
                throw OverlayFormatError(
                    .badValue(
                        "the blob '\(name)' can't have \(blob.size) bytes: every \(blob.compression) file has at least "
                            + "\(empty)"))
            }
            guard blob.size > empty || blob.diskChunks.isEmpty && blob.memoryChunks.isEmpty else {
                throw OverlayFormatError(
                    .badValue("the blob '\(name)' can't have \(blob.size) bytes: there would be no room for its pages"))
            }
        }
        for image in OverlayImage.allCases { try validateChunks(of: image) }
    }

    private func validateChunks(of image: OverlayImage) throws(OverlayFormatError) {
        let bound = Page.count(covering: size(of: image))
        var count = 0
        for blob in blobs {
            for chunk in blob.chunks(of: image) where chunk >= bound {
                throw OverlayFormatError(.chunkOutOfRange(image, Int(chunk)))
            }
            count += blob.chunks(of: image).count
        }
        // A set is faster, but its size depends on that of the image: it must not exceed 64 bytes for each chunk listed.
        if bound / 64 <= 8 * count {
            var seen = PageSet(bound: bound)
            for blob in blobs {
                for chunk in blob.chunks(of: image) where !seen.insert(Int(chunk)) {
                    throw OverlayFormatError(.duplicateChunk(image, Int(chunk)))
                }
            }
        } else {
            let sorted = blobs.flatMap { $0.chunks(of: image) }.sorted()
            for (chunk, next) in zip(sorted, sorted.dropFirst()) where chunk == next {
                throw OverlayFormatError(.duplicateChunk(image, Int(chunk)))
            }
        }
    }

    /// Whether a name is safe to join to a directory: no path parts, no control characters, at most 255 bytes.
    static func isPlainFileName(_ name: String) -> Bool {
        !name.isEmpty && name != "." && name != ".." && name.utf8.count <= 255
            && !name.unicodeScalars.contains { $0 == "/" || $0.value < 0x20 || $0.value == 0x7F }
    }
}

/// The keys of a meta while they are read.
private struct MetaFields {
    var seen: Set<String> = []
    var baseHash: SHA256Digest?
    var diskSize: Int?
    var memorySize: Int?
    var blobs: [OverlayMeta.Blob]?
    var baseMemoryHash: SHA256Digest?
    var forwards: [PortForward] = []
    var readyPort: UInt16?
    var guestClock: String?
    var guestRandom: String?

    mutating func read(_ reader: inout MessagePackReader, limits: OverlayMeta.Limits) throws {
        for _ in 0..<(try reader.readMapHeader()) {
            let key = try reader.readText()
            guard seen.insert(key).inserted else { throw OverlayFormatError(.duplicateKey(key)) }
            switch key {
            case MetaKey.baseHash: baseHash = try readDigest(&reader, key)
            case MetaKey.diskSize: diskSize = try readSize(&reader, key)
            case MetaKey.memorySize: memorySize = try readSize(&reader, key)
            case MetaKey.blobs:
                let count = try reader.readArrayHeader()
                guard count <= limits.blobs else {
                    throw OverlayFormatError(.badValue("\(count) blobs are more than the limit of \(limits.blobs)"))
                }
                var list: [OverlayMeta.Blob] = []
                for _ in 0..<count { list.append(try readBlob(&reader)) }
                blobs = list
            case MetaKey.baseMemoryHash: baseMemoryHash = try readDigest(&reader, key)
            case MetaKey.forwards: forwards = try readForwards(&reader)
            case MetaKey.readyPort:
                guard let port = UInt16(exactly: try reader.readUnsigned()), port > 0 else {
                    throw OverlayFormatError(.badValue("'\(key)' is not a port"))
                }
                readyPort = port
            case MetaKey.guestClock: guestClock = try readWord(&reader, key)
            case MetaKey.guestRandom: guestRandom = try readWord(&reader, key)
            default: try reader.skipValue()
            }
        }
    }

    private func readBlob(_ reader: inout MessagePackReader) throws -> OverlayMeta.Blob {
        var seen: Set<String> = []
        var name: String?
        var size: Int?
        var chunks: [OverlayImage: [UInt32]] = [:]
        var compression = BlobCompression.xz
        for _ in 0..<(try reader.readMapHeader()) {
            let key = try reader.readText()
            guard seen.insert(key).inserted else { throw OverlayFormatError(.duplicateKey(key)) }
            switch key {
            case MetaKey.blobName: name = try reader.readText()
            case MetaKey.blobSize: size = try readSize(&reader, key)
            case MetaKey.diskChunks: chunks[.disk] = try readChunks(&reader, key)
            case MetaKey.memoryChunks: chunks[.memory] = try readChunks(&reader, key)
            case MetaKey.compression:
                let value = try reader.readUnsigned()
                guard let known = BlobCompression(rawValue: value) else {
                    throw OverlayFormatError(
                        .badValue("blobs with compression \(value) can't be read, only xz and zstd"))
                }
                compression = known
            default: try reader.skipValue()
            }
        }
        return OverlayMeta.Blob(
            name: try require(name, MetaKey.blobName), size: try require(size, MetaKey.blobSize),
            diskChunks: try require(chunks[.disk], MetaKey.diskChunks),
            memoryChunks: try require(chunks[.memory], MetaKey.memoryChunks), compression: compression)
    }

    private func readChunks(_ reader: inout MessagePackReader, _ key: String) throws -> [UInt32] {
        let count = try reader.readArrayHeader()
        var chunks: [UInt32] = []
        chunks.reserveCapacity(count)
        for _ in 0..<count {
            guard let chunk = UInt32(exactly: try reader.readUnsigned()) else {
                throw OverlayFormatError(.badValue("a chunk number in '\(key)' is out of range"))
            }
            chunks.append(chunk)
        }
        return chunks
    }

    private func readForwards(_ reader: inout MessagePackReader) throws -> [PortForward] {
        var list: [PortForward] = []
        for _ in 0..<(try reader.readArrayHeader()) {
            let text = try reader.readText()
            guard let forward = try? PortForward(parsing: text), list.count < 256 else {
                throw OverlayFormatError(.badValue("'\(text.displayable(limit: 60))' is not a port forward"))
            }
            list.append(forward)
        }
        return list
    }

    private func readSize(_ reader: inout MessagePackReader, _ key: String) throws -> Int {
        guard let size = Int(exactly: try reader.readUnsigned()) else {
            throw OverlayFormatError(.badValue("'\(key)' is out of range"))
        }
        return size
    }

    /// Reads a word. Any word is accepted, because later versions may add some; only its length is limited.
    private func readWord(_ reader: inout MessagePackReader, _ key: String) throws -> String {
        let word = try reader.readText()
        guard (1...32).contains(word.utf8.count) else {
            throw OverlayFormatError(.badValue("'\(key)' is not a word of at most 32 bytes"))
        }
        return word
    }

    private func readDigest(_ reader: inout MessagePackReader, _ key: String) throws -> SHA256Digest {
        guard let digest = SHA256Digest(hex: try reader.readText()) else {
            throw OverlayFormatError(.badValue("'\(key)' is not a SHA-256 value"))
        }
        return digest
    }

    private func require<T>(_ value: T?, _ key: String) throws(OverlayFormatError) -> T {
        guard let value else { throw OverlayFormatError(.missingKey(key)) }
        return value
    }

    func assembled() throws(OverlayFormatError) -> OverlayMeta {
        var meta = OverlayMeta(
            baseHash: try require(baseHash, MetaKey.baseHash), diskSize: try require(diskSize, MetaKey.diskSize),
            memorySize: try require(memorySize, MetaKey.memorySize), blobs: try require(blobs, MetaKey.blobs),
            baseMemoryHash: baseMemoryHash, forwards: forwards, readyPort: readyPort)
        (meta.guestClock, meta.guestRandom) = (guestClock, guestRandom)
        return meta
    }
}
