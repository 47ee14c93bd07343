// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletSynthesis

/// Packages made by Python's zipfile, as the original made them.
@Suite struct OverlayPackageTests {
    private let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private static let meta = OverlayMeta(
        baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 20, memorySize: 1 << 20,
        blobs: [
            .init(name: "overlay-blob_1.xz", size: 40, diskChunks: [], memoryChunks: []),
            .init(name: "overlay-blob_2.xz", size: 32, diskChunks: [], memoryChunks: []),
        ])

    /// Runs a Python text that fills the archive `z`, and opens what it made.
    private func package(_ python: String, mode: String = "w", method: String = "ZIP_STORED") async throws -> File {
        let path = scratch.file("\(UInt64.random(in: 0 ... .max)).zip")
        let meta = Self.meta.encoded().map { String($0) }.joined(separator: ",")
        let script = """
            import zipfile, sys
            meta = bytes([\(meta)])
            with zipfile.ZipFile(sys.argv[1], "w", zipfile.\(method), allowZip64=True) as z:
                z.comment = b"Cloudlet VM overlay"
            \(python.split(separator: "\n").map { "    " + $0 }.joined(separator: "\n"))
            """
        let result = try await Tool.run("python3", ["-c", script, path.string])
        #expect(result.status == 0, "\(result.errors)")
        return try File(path, .read)
    }

    private static let whole = """
        z.writestr("overlay-meta", meta)
        z.writestr("overlay-blob_2.xz", b"z" * 32)
        z.writestr("overlay-blob_1.xz", b"12345" * 8)
        """

    @Test("meta and blobs are found where they are")
    func complete() async throws {
        let package = try OverlayPackage(try await package(Self.whole))
        #expect(package.meta == Self.meta && package.metaBytes == Self.meta.encoded())
        let first = package.blobs[0]
        #expect(
            try package.file.read(first.count, at: first.lowerBound) == Array(String(repeating: "12345", count: 8).utf8)
        )
        #expect(package.blobs[1].count == 32)
    }

    @Test("a ZIP64 archive is read")
    func zip64() async throws {
        let python = """
            for name, data in ("overlay-meta", meta), ("overlay-blob_2.xz", b"z" * 32), ("overlay-blob_1.xz", b"12345" * 8):
                with z.open(name, "w", force_zip64=True) as member: member.write(data)
            for i in range(70000): z.writestr(f"x{i}", b"")
            """
        let package = try OverlayPackage(try await package(python))
        #expect(package.blobs.map(\.count) == [40, 32])
    }

    @Test(
        "what is no package is refused with the reason",
        arguments: [
            ("z.writestr('x', b'1')", "no member overlay-meta"),
            ("z.writestr('overlay-meta', meta)", "no blob 'overlay-blob_1.xz'"),
            (whole + "\nz.writestr('overlay-meta', meta)", "it contains 'overlay-meta' twice"),
            (whole.replacing("12345", with: "1234"), "has 32 bytes, but the meta says 40"),
            ("z.writestr('overlay-meta', b'junk')", "the meta of the overlay package is not valid"),
        ])
    func refusals(python: String, reason: String) async throws {
        let file = try await package(python)
        let error = #expect(throws: CloudletError.self) { try OverlayPackage(file) }
        #expect(error?.code == .badData && error?.description.contains(reason) == true, "\(error as Any)")
    }

    @Test("compressed members and other files are refused")
    func otherFiles() async throws {
        let deflated = try await package(Self.whole, method: "ZIP_DEFLATED")
        let error = #expect(throws: CloudletError.self) { try OverlayPackage(deflated) }
        #expect(error?.description.contains("not stored") == true)
        let text = try scratch.write("text", Array("no archive".utf8))
        #expect(throws: CloudletError.self) { try OverlayPackage(text) }
    }

    @Test("members that lie in each other are refused, however small the archive is")
    func overlapping() async throws {
        // Ten thousand names for the bytes of one member.
        let same = """
            z.writestr("overlay-meta", meta)
            z.writestr("overlay-blob_2.xz", b"z" * 32)
            z.writestr("overlay-blob_1.xz", b"12345" * 8)
            import copy
            for i in range(10000):
                member = copy.copy(z.filelist[2]); member.filename = f"x{i}"; z.filelist.append(member)
            """
        // One that ends in the header of the next.
        let quoted = Self.whole + "\nz.filelist[1].file_size = z.filelist[1].compress_size = 33"
        for python in [same, quoted] {
            let file = try await package(python)
            let error = #expect(throws: CloudletError.self) { try OverlayPackage(file) }
            #expect(error?.code == .badData && error?.description.contains("overlap") == true, "\(error as Any)")
        }
    }

    @Test("an archive cut or changed anywhere is refused or read, and never anything else")
    func damage() async throws {
        let file = try await package(Self.whole)
        let bytes = try file.read(try file.size(), at: 0)
        var random = SeededRandom(seed: 5)
        for round in 0..<2000 {
            var damaged = bytes
            if round < bytes.count {
                damaged = Array(bytes.prefix(round))
            } else {
                for _ in 0..<Int.random(in: 1...4, using: &random) {
                    damaged[Int.random(in: 0..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
                }
            }
            let path = scratch.file("damaged")
            try FileSystem.remove(path)
            try File(path, .create(permissions: 0o600)).write(damaged, at: 0)
            let copy = try File(path, .read)
            if let package = try? OverlayPackage(copy) {
                #expect(package.blobs.allSatisfy { $0.upperBound <= damaged.count })
            }
        }
    }

    @Test("a package that is written holds the overlay, as others read it, and appears when it is complete")
    func written() async throws {
        try Directory.create(scratch.file("face"))
        for (name, text) in [
            ("overlay-blob_1.xz", String(repeating: "12345", count: 8)), ("overlay-blob_2.xz", "\(Int.max)"),
        ] {
            _ = try scratch.write(
                "face/\(name)", Array(text.utf8) + [UInt8](repeating: 0, count: max(0, 32 - text.utf8.count)))
        }
        _ = try scratch.write("face/overlay-meta", Self.meta.encoded())
        let overlay = try OverlaySource(at: scratch.file("face"))
        let path = scratch.file("face.zip")
        try OverlayPackageWriter.require(path)
        #expect(try FileStatus.of(path) == nil)
        var progress: [WorkProgress] = []
        try OverlayPackageWriter.write(overlay, to: path) { progress.append($0) }
        #expect(progress.count == overlay.meta.blobs.count && progress.last == .packaging(1))
        let package = try OverlaySource(at: path)
        #expect(package.metaBytes == overlay.metaBytes && package.appName == "face")
        for (index, blob) in overlay.meta.blobs.enumerated() {
            #expect(try package.open(index).read(0..<blob.size) == overlay.open(index).read(0..<blob.size))
        }
        let script = """
            import sys, zipfile
            with zipfile.ZipFile(sys.argv[1]) as z:
                assert z.testzip() is None and z.comment == b"Cloudlet VM overlay", z.comment
                for i in z.infolist(): print(i.filename, i.compress_type, i.file_size)
            """
        let read = try await Tool.run("python3", ["-c", script, path.string])
        #expect(
            read.output == "overlay-meta 0 \(overlay.metaBytes.count)\noverlay-blob_1.xz 0 40\noverlay-blob_2.xz 0 32\n"
        )
        #expect(read.status == 0, "\(read.errors)")
        // With the longer fields of large archives.
        let large = scratch.file("large.zip")
        try OverlayPackageWriter.write(overlay, to: large, largeFrom: 20)
        #expect(try await Tool.run("python3", ["-c", script, large.string]).output == read.output)
        #expect(try OverlaySource(at: large).open(1).read(0..<32) == overlay.open(1).read(0..<32))
        try FileSystem.remove(large)
        // Never over another file, and nothing half written.
        #expect(throws: CloudletError.self) { try OverlayPackageWriter.require(path) }
        try FileSystem.remove(scratch.file("face/overlay-blob_2.xz"))
        let broken = scratch.file("broken.zip")
        let error = #expect(throws: CloudletError.self) { try OverlayPackageWriter.write(overlay, to: broken) }
        #expect(error?.description.contains("broken.zip was not written") == true, "\(error as Any)")
        #expect(try Directory.names(in: scratch.path).sorted() == ["face", "face.zip"])
    }
}
