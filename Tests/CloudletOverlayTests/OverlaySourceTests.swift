// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import CloudletTestSupport
import OverlayExample
import SystemPackage
import Testing

@testable import CloudletOverlay

/// Overlays opened by path, as programs outside of the package do.
@Suite struct OverlaySourceTests {
    private let scratch: ScratchDirectory
    private let first = Array("first blob ".utf8) + [UInt8](repeating: 1, count: 29)
    private let second = [UInt8](repeating: 2, count: 9)

    init() throws { scratch = try ScratchDirectory() }

    private var meta: OverlayMeta {
        OverlayMeta(
            baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 20, memorySize: 0,
            blobs: [
                .init(name: "a.xz", size: first.count, diskChunks: [1, 2], memoryChunks: []),
                .init(name: "b.zst", size: second.count, diskChunks: [], memoryChunks: [], compression: .zstd),
            ], forwards: [PortForward(hostPort: 2222, guestPort: 22)])
    }

    /// Writes the overlay as a directory.
    private func directory() throws -> FilePath {
        let path = scratch.file("face")
        try Directory.create(path)
        _ = try scratch.write("face/face.overlay-meta", meta.encoded())
        _ = try scratch.write("face/a.xz", first)
        _ = try scratch.write("face/b.zst", second)
        return path
    }

    /// Writes the overlay as a package.
    private func package() async throws -> FilePath {
        let path = scratch.file("face.zip")
        let script = """
            import sys, zipfile
            with zipfile.ZipFile(sys.argv[2], "w") as z:
                for name in ["face.overlay-meta", "a.xz", "b.zst"]:
                    z.write(sys.argv[1] + "/" + name, name.removeprefix("face."))
            """
        let result = try await Tool.run("python3", ["-c", script, try directory().string, path.string])
        #expect(result.status == 0, "\(result.errors)")
        return path
    }

    private func check(_ overlay: OverlaySource) throws {
        #expect(overlay.meta == meta && overlay.metaBytes == meta.encoded() && overlay.appName == "face")
        #expect(try overlay.open(0).size == first.count && overlay.open(1).size == second.count)
        #expect(try overlay.open(0).read(0..<first.count) == first)
        #expect(try overlay.open(0).read(6..<10) == Array("blob".utf8))
        #expect(try overlay.open(1).read(0..<second.count) == second)
    }

    @Test("an overlay is opened by its directory or its meta file")
    func directories() throws {
        let path = try directory()
        try check(OverlaySource(at: path))
        try check(OverlaySource(at: path.appending("face.overlay-meta").string))
    }

    @Test("an overlay is opened by its package, in which offsets count from the start of a blob")
    func packages() async throws {
        let overlay = try OverlaySource(at: try await package())
        try check(overlay)
        #expect(try overlay.open(0).offset > 0)
    }

    @Test("a path without an overlay is refused, with the reason and advice")
    func refusals() throws {
        let text = scratch.file("text")
        _ = try scratch.write("text", Array("not an overlay".utf8))
        try Directory.create(scratch.file("empty"))
        for (path, code) in [
            (scratch.file("none"), CloudletError.Code.notFound), (text, .badData), (scratch.file("empty"), .badData),
        ] {
            let error = #expect(throws: CloudletError.self) { try OverlaySource(at: path) }
            #expect(error?.code == code && error?.description.contains(path.string) == true, "\(error as Any)")
        }
    }

    @Test("a blob that became shorter is an error")
    func truncated() throws {
        let path = try directory()
        let overlay = try OverlaySource(at: path)
        try File(path.appending("a.xz"), .readWrite).resize(to: 5)
        let error = #expect(throws: CloudletError.self) { try overlay.open(0).read(0..<first.count) }
        #expect(error?.code == .io)
        #expect(throws: CloudletError.self) { try OverlaySource(at: path) }
    }

    @Test("the pieces of an overlay are its blobs in order")
    func pieces() async throws {
        var pieces: [BlobPiece] = []
        for try await piece in OverlayPieces(try OverlaySource(at: directory())) { pieces.append(piece) }
        #expect(pieces == [.begin(0), .bytes(first), .end, .begin(1), .bytes(second), .end])
    }

    @Test("the program in the article reads an overlay with the public interface alone")
    func example() throws {
        let lines = try describeOverlay(at: try directory().string)
        #expect(
            lines == [
                "face is for the base VM \(meta.baseHash.short)", "disk 1 MiB, memory 0 B", "tcp port 22 is forwarded",
                "a.xz: 2 pages in 40 bytes of xz", "b.zst: 0 pages in 9 bytes of zstd",
            ], "\(lines)")
        let article = try Repository.text("Sources/CloudletOverlay/CloudletOverlay.docc/CloudletOverlay.md")
        #expect(
            article.contains("```swift\n\(try Repository.program("Tests/OverlayExample/OverlayExample.swift"))```\n"))
    }
}
