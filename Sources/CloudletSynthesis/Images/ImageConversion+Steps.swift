// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import CloudletSystem
import FoundationEssentials
import SystemPackage

/// The steps of a conversion. Each writes a new file, which is removed when the step fails.
extension ImageConversion {
    /// Converts a disk image by qemu-img.
    func convert(
        _ content: ImageContent, _ format: ImageFormat.Disk, _ progress: @escaping @Sendable (WorkProgress) -> Void
    ) async throws(CloudletError) -> Publication {
        try DiskImageHeader.check(content, format)
        let device = try content.blockDevice(format)
        let info = try await description(of: content, format, device)
        // Of an image that is cut off, qemu-img would take the missing data for zeros. Status 3: nothing is damaged,
        // but room is wasted; 63: the format has no tables to check.
        _ = try await ConfinedImageTool.run(
            ["check", device], on: content.name, seconds: 60 + info.size / 1_000_000_000, accepted: [0, 3, 63])
        // qemu-img reports all of a VHDX disk as data.
        let needed = format == .vhdx ? 0 : try await dataBytes(of: content, device)
        try requireRoom(for: needed)
        let (part, target) = try newPart()
        do throws(CloudletError) {
            try target.resize(to: info.size)
            _ = try await ConfinedImageTool.run(
                [
                    "convert", "-p", "-n", "--target-is-zero", "-O", "raw", device, target.descriptorPath.string,
                ], on: content.name,
                // Decompressing 20 MB takes less than a second.
                seconds: 600 + info.size / 20_000_000, largestFile: info.size
            ) { progress(.converting($0)) }
            return part
        } catch {
            let stored = (try? target.status().allocated) ?? 0
            let isExact = format != .vhdx
            let failure = outOfRoom(
                error, missing: max(0, (isExact ? needed : info.size) - stored), isExact ? "about" : "up to")
            part.discard()
            throw failure
        }
    }

    private struct Info: Decodable {
        let size: Int
        let backing: String?
        let isEncrypted: Bool?

        enum CodingKeys: String, CodingKey {
            case size = "virtual-size"
            case backing = "backing-filename"
            case isEncrypted = "encrypted"
        }
    }

    /// What qemu-img reads in the image's header.
    private func description(
        of content: ImageContent, _ format: ImageFormat.Disk, _ device: String
    ) async throws(CloudletError) -> Info {
        let info = try Self.decode(
            Info.self, try await ConfinedImageTool.run(["info", "--output=json", device], on: content.name))
        guard (0...largestDisk).contains(info.size) else {
            throw CloudletError(
                .badData,
                "\(content.name) says that its disk has \(ByteCount(info.size)); a disk here has "
                    + "\(ByteCount(largestDisk)) at most", advice: "get the image again, or use a smaller disk")
        }
        guard info.backing == nil, info.isEncrypted != true else {
            throw CloudletError(
                .badData, "\(content.name) is encrypted, or contains only the differences from another file",
                advice: "get or export the disk as one complete file")
        }
        return info
    }

    /// How many bytes of an image are neither holes nor known zeros; an upper bound of what the raw disk takes.
    private func dataBytes(of content: ImageContent, _ device: String) async throws(CloudletError) -> Int {
        struct Measure: Decodable { let required: Int }
        // A qcow2 image consists of the data and a little more.
        return try Self.decode(
            Measure.self,
            try await ConfinedImageTool.run(["measure", "--output=json", "-O", "qcow2", device], on: content.name)
        ).required
    }

    private static func decode<Value: Decodable>(_ type: Value.Type, _ text: String) throws(CloudletError) -> Value {
        do { return try JSONDecoder().decode(type, from: Data(text.utf8)) } catch {
            throw CloudletError(.unavailable, "the output of qemu-img is not understood", cause: error)
        }
    }

    /// Decompresses a file.
    func decompress(
        _ content: ImageContent, _ method: FileDecompressor.Method,
        _ progress: @escaping @Sendable (WorkProgress) -> Void
    ) async throws(CloudletError) -> Publication {
        // Data that was compressed takes at least as much room as before.
        try requireRoom(for: content.range.count)
        return try await write(content) { (target, size) throws(CloudletError) in
            var writer = SparseWriter(target)
            var read = 0
            do throws(CloudletError) {
                try self.decompress(content, method, to: &writer) {
                    read = $0
                    progress(.decompressing(Double(read) / Double(size)))
                }
            } catch {
                guard !(error.cause is CompressionError) else { throw error.during("\(content.name) is damaged") }
                // As much as the part read so far took, in proportion.
                let whole = Double(writer.stored) * Double(size) / Double(max(1, read))
                throw self.outOfRoom(error, missing: max(0, Int(min(whole, 1e18)) - writer.stored))
            }
        }
    }

    private func decompress(
        _ content: ImageContent, _ method: FileDecompressor.Method, to writer: inout SparseWriter, read: (Int) -> Void
    ) throws(CloudletError) {
        var decompressor = try FileDecompressor(method)
        for piece in pieces(of: 0..<content.range.count, length: Self.pieceBytes) {
            let bytes = try content.read(piece.count, at: piece.lowerBound)
            try decompressor.decode(bytes.span) { (output) throws(CloudletError) in
                try add(output, to: &writer, content)
            }
            read(piece.upperBound)
        }
        try decompressor.finish { (output) throws(CloudletError) in try add(output, to: &writer, content) }
        try writer.finish()
    }

    private func add(
        _ output: Span<UInt8>, to writer: inout SparseWriter, _ content: ImageContent
    ) throws(CloudletError) {
        if Task.isCancelled { throw CloudletError(.interrupted, "interrupted") }
        guard writer.count + output.count <= largestDisk else {
            throw CloudletError(
                .badData, "\(content.name) contains more than \(ByteCount(largestDisk)), the largest disk here",
                advice: "get the image again, or use a smaller disk")
        }
        try writer.add(output)
    }

    /// Copies a raw disk.
    func copy(
        _ content: ImageContent, _ progress: @escaping @Sendable (WorkProgress) -> Void
    ) async throws(CloudletError) -> Publication {
        try await write(content) { (target, size) throws(CloudletError) in
            var writer = SparseWriter(target)
            do throws(CloudletError) {
                for piece in pieces(of: 0..<size, length: Self.pieceBytes) {
                    let bytes = try content.read(piece.count, at: piece.lowerBound)
                    try self.add(bytes.span, to: &writer, content)
                    progress(.copying(Double(piece.upperBound) / Double(size)))
                }
                try writer.finish()
            } catch {
                // Holes of the image take no room, neither there nor here.
                let data = min(size, try content.file.status().allocated)
                throw self.outOfRoom(error, missing: max(0, data - writer.stored))
            }
        }
    }

    private static let pieceBytes = 1 << 20

    /// Makes a part by a function that computes; the part is removed when it fails.
    private func write(
        _ content: ImageContent, _ body: @escaping @Sendable (File, Int) throws(CloudletError) -> Void
    ) async throws(CloudletError) -> Publication {
        let (part, target) = try newPart()
        do throws(CloudletError) {
            try await WorkerPool.background.run { () throws(CloudletError) in try body(target, content.range.count) }
            return part
        } catch {
            part.discard()
            throw error
        }
    }

    /// A new file for a disk, with the permissions of the image.
    private func newPart() throws(CloudletError) -> (Publication, File) {
        let part = Publication()
        let readable = try file.status().permissions & 0o666
        return (part, try part.create(output, permissions: readable | 0o600))
    }

    private func requireRoom(for bytes: Int) throws(CloudletError) {
        let directory = output.removingLastComponent()
        let free = try FileSystem.freeSpace(at: directory)
        guard free < bytes else { return }
        throw CloudletError(
            .io,
            "the disk in \(source) takes \(ByteCount(bytes)), and \(directory) has room for \(ByteCount(free)): "
                + "\(ByteCount(bytes - free)) are missing", advice: Self.roomAdvice)
    }

    /// The error to report when writing has failed: if the file system is full, it says how much is missing.
    private func outOfRoom(_ error: CloudletError, missing: Int, _ precision: String = "about") -> CloudletError {
        let directory = output.removingLastComponent()
        guard error.code == .io, let free = try? FileSystem.freeSpace(at: directory), free < Self.little else {
            return error
        }
        return CloudletError(
            .io,
            "the disk in \(source) does not fit into \(directory): \(precision) \(ByteCount(max(missing, Page.size))) "
                + "are missing; nothing was left there", advice: Self.roomAdvice, cause: error)
    }

    /// Less room than qemu-img's next write needs.
    private static let little = 4 << 20
    private static let roomAdvice = "make room there, or name a disk elsewhere with --output"
}
