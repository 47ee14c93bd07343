// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletOverlay
import CloudletSession
import CloudletTestSupport
import Logging

/// A server on the loopback address with a fake backend, and an overlay to send to it.
struct TestService {
    let backend = FakeBackend()
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private static let sizes = [700_000, 32, 44]

    func overlay() throws -> OverlaySource {
        var random = SeededRandom(seed: 1)
        let files = try Self.sizes.enumerated().map { index, size in
            let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
            return try scratch.write("b\(index)-\(UInt32.random(in: 0 ... .max)).xz", bytes)
        }
        return OverlaySource(
            metaBytes: Self.meta.encoded(), meta: Self.meta, appName: "face", path: scratch.path
        ) { .init(files[$0], size: Self.sizes[$0]) }
    }

    /// An overlay with the same blobs, of another base VM.
    func other(than overlay: OverlaySource) -> OverlaySource {
        var meta = overlay.meta
        meta.baseHash = SHA256Digest(hashing: [2].span)
        return OverlaySource(metaBytes: meta.encoded(), meta: meta, appName: "face", path: overlay.path) {
            (index) throws(CloudletError) in try overlay.open(index)
        }
    }

    private static var meta: OverlayMeta {
        OverlayMeta(
            baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 20, memorySize: 1 << 20,
            blobs: sizes.enumerated().map { .init(name: "b\($0).xz", size: $1, diskChunks: [], memoryChunks: []) })
    }

    /// Runs `body` against a server.
    func run(
        _ change: (inout SessionServer.Limits) -> Void = { _ in },
        _ body: @escaping @Sendable (SessionServer, UInt16) async throws -> Void
    ) async throws {
        var limits = SessionServer.Limits()
        change(&limits)
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        let unended = UnendedVMs(pauses: .milliseconds(10) ... .milliseconds(40), logger: logger)
        let server = SessionServer(backend: backend, limits: limits, unended: unended, logger: logger)
        let listener = try await SessionServer.bind(address: "127.0.0.1", port: 0)
        let port = listener.port
        try await withThrowingTaskGroup { group in
            group.addTask { await server.serve(AsyncStream { $0.yield(listener) }) }
            group.addTask { try await body(server, port) }
            try await group.next()
            group.cancelAll()
        }
    }
}
