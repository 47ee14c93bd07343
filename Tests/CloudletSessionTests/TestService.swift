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

    func overlay() throws -> OutgoingOverlay {
        var random = SeededRandom(seed: 1)
        let blobs = try Self.sizes.enumerated().map { index, size in
            let bytes = (0..<size).map { _ in UInt8.random(in: 0...255, using: &random) }
            let file = try scratch.write("b\(index)-\(UInt32.random(in: 0 ... .max)).xz", bytes)
            return OutgoingOverlay.Blob(name: "b\(index).xz", size: size) { () throws(CloudletError) in file }
        }
        return OutgoingOverlay(meta: Self.meta.encoded(), blobs: blobs, forwards: [])
    }

    private static var meta: OverlayMeta {
        OverlayMeta(
            baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 20, memorySize: 1 << 20,
            blobs: sizes.enumerated().map { .init(name: "b\($0).xz", size: $1, diskChunks: [], memoryChunks: []) })
    }

    /// The meta of an overlay with the same blobs, of another base VM.
    func otherMeta() -> [UInt8] {
        var meta = Self.meta
        meta.baseHash = SHA256Digest(hashing: [2].span)
        return meta.encoded()
    }

    /// Runs `body` against a server.
    func run(
        _ change: (inout SessionServer.Limits) -> Void = { _ in },
        _ body: @escaping @Sendable (SessionServer, UInt16) async throws -> Void
    ) async throws {
        var limits = SessionServer.Limits()
        change(&limits)
        let server = SessionServer(
            backend: backend, limits: limits, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
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
