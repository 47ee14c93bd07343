// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Foundation
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// Overlay directories: written by us, read by us and by an independent reader of the original's format.
@Suite struct OverlayFilesTests {
    private func write(_ pair: SyntheticPair, blobBytes: Int = 1 << 20) async throws -> OverlayDirectory {
        var options = OverlayOptions(name: "face")
        options.forwards = [PortForward(hostPort: 2222, guestPort: 22)]
        let identity = OverlayDirectoryWriter.BaseIdentity(
            hash: try DiskFingerprint.identity(of: pair.base.disk),
            memoryHash: try MemoryFingerprint.identity(of: try #require(pair.base.memory)),
            diskBytes: pair.base.diskSize)
        _ = try await OverlayDirectoryWriter(
            plan: try await pair.plan(blobBytes: blobBytes), base: identity, memoryBytes: pair.memoryBytes.count,
            options: options
        ).write(to: pair.scratch.file("face")) { _ in }
        return try OverlayDirectory(pair.scratch.file("face"))
    }

    @Test("an overlay has the name of its directory, by whatever path the directory or its meta is named")
    func appName() async {
        await #expect(processExitsWith: .success) {
            let tests = OverlayFilesTests()
            let pair = try await SyntheticPair(seed: 6)
            defer { withExtendedLifetime(pair) {} }
            let overlay = try await tests.write(pair)
            let meta = try #require(overlay.metaPath.lastComponent?.string)
            try #require(FileManager.default.changeCurrentDirectoryPath(overlay.directory.string))
            for path in [overlay.directory.string, "\(overlay.directory)/.", ".", meta, "./\(meta)", "../face/\(meta)"]
            {
                try #require(try OverlaySource(at: path).appName == "face", "\(path)")
            }
        }
    }

    @Test("an overlay is on the disk, each of its files, before it has its name, and nothing else is left")
    func durable() async throws {
        let pair = try await SyntheticPair(seed: 6)
        let before = try Directory.names(in: pair.scratch.path)
        let (overlay, events) = try await DiskJournal.recording(below: pair.scratch.path) {
            try await write(pair, blobBytes: 9000)
        }
        #expect(overlay.meta.blobs.count >= 3)
        #expect(publishedDurably([overlay.directory], events), "\(events)")
        let renamed = try #require(
            events.firstIndex { if case .renamed(_, overlay.directory) = $0 { true } else { false } })
        let names = Set(
            events[..<renamed].compactMap { event in
                if case .synchronized(let path) = event { path.lastComponent?.string } else { nil }
            })
        #expect(names.isSuperset(of: overlay.meta.blobs.map(\.name) + ["face.overlay-meta"]), "\(events)")
        #expect(Set(try Directory.names(in: pair.scratch.path)) == Set(before + ["face"]))
    }

    /// The Python reader beside this file.
    private static let reader = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "Reference/overlay_reader.py").path

    @Test(
        "an independent reader of the original's format rebuilds both images bit for bit",
        arguments: [(1, 1 << 20), (2, 9000)])
    func foreignReader(seed: UInt64, blobBytes: Int) async throws {
        let pair = try await SyntheticPair(seed: seed)
        let overlay = try await write(pair, blobBytes: blobBytes)
        let outputs = (disk: pair.scratch.file("out.raw"), memory: pair.scratch.file("out.mem"))
        let result = try await Tool.run(
            "python3",
            [
                Self.reader, overlay.metaPath.string, pair.base.disk.path.string,
                try #require(pair.base.memory).path.string, outputs.disk.string, outputs.memory.string,
            ])
        #expect(result.status == 0, "\(result.errors)")
        #expect(try File(outputs.disk, .read).read(1 << 24, at: 0) == pair.diskBytes)
        #expect(try File(outputs.memory, .read).read(1 << 24, at: 0) == pair.memoryBytes)
    }

    private func decode<Source: AsyncSequence & Sendable>(
        _ pair: SyntheticPair, _ overlay: OverlayDirectory, _ source: Source, waitingBytes: Int = 8 << 20
    ) async throws -> (CopyTarget, CopyTarget) where Source.Element == BlobPiece {
        let disk = CopyTarget(
            try pair.scratch.write("o1-\(UInt32.random(in: 0 ... .max))", try pair.base.disk.read(1 << 24, at: 0)))
        let memory = CopyTarget(
            try pair.scratch.write(
                "o2-\(UInt32.random(in: 0 ... .max))", try #require(pair.base.memory).read(1 << 24, at: 0)))
        var decoding = BlobDecoding(
            meta: overlay.meta, geometry: pair.geometry, base: pair.base,
            targets: PageTargets(memory: memory, disk: disk))
        decoding.waitingBytes = waitingBytes
        _ = try await decoding.run(source) { _ in }
        return (memory, disk)
    }

    @Test(
        "our pipeline rebuilds both images, blobs in any order, with room for one piece or for all",
        arguments: [1, 8 << 20])
    func pipeline(waitingBytes: Int) async throws {
        let pair = try await SyntheticPair(seed: 3)
        let overlay = try await write(pair, blobBytes: 9000)
        #expect(overlay.meta.blobs.count >= 3 && overlay.appName == "face")
        var pieces: [BlobPiece] = []
        for index in overlay.meta.blobs.indices.shuffled() {
            pieces.append(.begin(index))
            let bytes = try File(overlay.path(of: overlay.meta.blobs[index]), .read).read(1 << 24, at: 0)
            pieces += stride(from: 0, to: bytes.count, by: 1000).map {
                .bytes(Array(bytes[$0..<min($0 + 1000, bytes.count)]))
            }
            pieces.append(.end)
        }
        for source in [pieces] {
            let (memory, disk) = try await decode(
                pair, overlay,
                AsyncStream {
                    for piece in source { $0.yield(piece) }; $0.finish()
                }, waitingBytes: waitingBytes)
            #expect(try memory.file.read(1 << 24, at: 0) == pair.memoryBytes)
            #expect(try disk.file.read(1 << 24, at: 0) == pair.diskBytes)
        }
        let (memory, _) = try await decode(pair, overlay, OverlayPieces(OverlaySource(overlay)))
        #expect(try memory.file.read(1 << 24, at: 0) == pair.memoryBytes)
    }

    @Test("a transfer that breaks off, repeats a blob or damages one ends with its own reason")
    func brokenTransfers() async throws {
        let pair = try await SyntheticPair(seed: 4)
        let overlay = try await write(pair, blobBytes: 9000)
        var good: [BlobPiece] = []
        for try await piece in OverlayPieces(OverlaySource(overlay)) { good.append(piece) }
        func failure(_ pieces: [BlobPiece], throwing error: CloudletError? = nil) async -> CloudletError? {
            await #expect(throws: CloudletError.self) {
                _ = try await decode(
                    pair, overlay,
                    AsyncThrowingStream<BlobPiece, any Error> {
                        for piece in pieces { $0.yield(piece) }
                        $0.finish(throwing: error)
                    })
            }
        }
        #expect(await failure(Array(good.dropLast(2)))?.code == .protocolViolation)
        #expect(
            await failure(Array(good.prefix(4)), throwing: CloudletError(.unavailable, "link lost"))?.message
                == "link lost")
        #expect(await failure(good + Array(good.prefix(3)))?.code == .protocolViolation)
        #expect(await failure(Array(good.dropFirst(3)))?.description.contains("blobs arrived") == true)
        var damaged = good
        if case .bytes(var bytes) = damaged[1] {
            bytes[bytes.count / 2] ^= 0x55
            damaged[1] = .bytes(bytes)
        }
        let error = await failure(damaged)
        #expect(error?.code == .badData && error?.description.contains("face.overlay_1.xz") == true)
        #expect(await failure([.begin(99)])?.code == .protocolViolation)
        #expect(await failure([.begin(0), .begin(1)])?.code == .protocolViolation)
        #expect(await failure([.begin(0), .bytes([UInt8](repeating: 0, count: 1 << 20))])?.code == .protocolViolation)
    }

    @Test("what is wrong with an overlay directory is said before anything is sent")
    func directories() async throws {
        let pair = try await SyntheticPair(seed: 5)
        let overlay = try await write(pair)
        func failure(_ path: FilePath) throws -> String {
            "\(try #require(#expect(throws: CloudletError.self) { try OverlayDirectory(path) }))"
        }
        let directory = overlay.directory
        #expect(try failure(pair.scratch.file("none")).contains("there is no overlay directory"))
        #expect(try failure(overlay.metaPath).contains("is not a directory"))
        _ = try pair.scratch.write("face/copy", overlay.metaBytes)
        #expect(try failure(directory).contains("more than one possible meta"))
        try FileSystem.remove(directory.appending("copy"))
        let blob = overlay.path(of: overlay.meta.blobs[0])
        try File(blob, .readWrite).resize(to: 5)
        #expect(try failure(directory).contains("has 5 bytes"))
        try FileSystem.remove(blob)
        #expect(try failure(directory).contains("is missing"))
        let metaFile = try File(overlay.metaPath, .readWrite)
        try metaFile.resize(to: 7)
        #expect(try failure(directory).contains("is not a valid overlay-meta"))
        try FileSystem.remove(overlay.metaPath)
        #expect(try failure(directory).contains("no overlay-meta"))
    }

    @Test("files that are no meta don't matter in an overlay's directory, whatever the meta's name is")
    func otherFiles() async throws {
        let pair = try await SyntheticPair(seed: 5)
        let overlay = try await write(pair)
        for name in ["README", "Thumbs.db", "SHA256SUMS", "desktop.ini"] {
            _ = try pair.scratch.write("face/\(name)", Array("[x] \(name)\n".utf8))
        }
        try Directory.create(overlay.directory.appending("lost+found"))
        #expect(try OverlayDirectory(overlay.directory).metaPath == overlay.metaPath)
        let meta = try File(overlay.metaPath, .readWrite)
        try meta.resize(to: 7)
        let damaged = #expect(throws: CloudletError.self) { try OverlayDirectory(overlay.directory) }
        #expect(damaged?.description.contains("is not a valid overlay-meta") == true, "\(damaged as Any)")
        try meta.write(overlay.metaBytes, at: 0)
        let renamed = overlay.directory.appending("app")
        try FileSystem.move(overlay.metaPath, to: renamed)
        #expect(try OverlayDirectory(overlay.directory).metaPath == renamed)
        try FileSystem.remove(renamed)
        let error = #expect(throws: CloudletError.self) { try OverlayDirectory(overlay.directory) }
        #expect(error?.description.contains("no overlay-meta") == true)
    }

    @Test("an overlay never appears half written, and never over another")
    func output() async throws {
        let pair = try await SyntheticPair(seed: 6)
        _ = try await write(pair)
        await #expect(throws: CloudletError.self) { try await write(pair) }
        #expect(try Directory.names(in: pair.scratch.path).filter { $0.contains(".part") }.isEmpty)
        #expect(try Directory.names(in: pair.scratch.file("face")).filter { $0.hasSuffix("overlay-meta") }.count == 1)
    }
}
