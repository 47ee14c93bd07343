// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMessagePack
import CloudletOverlay
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Glibc
import Synchronization
import Testing

@testable import CloudletClient

/// A node on the loopback address that creates and closes sessions as it should, and runs a script for a connection
/// that announces an overlay. After the script it reads until the client closes the connection.
final class ScriptedNode: Sendable {
    typealias Script = @Sendable (NodeConnection) throws -> Void

    /// The session that it creates.
    static let session = SessionID(7)

    private let listener: Listener
    private let creation: Script
    private let first: Script
    private let later: Script
    private let counts = Mutex((announcements: [ClientMessage.SendMeta](), closed: 0))

    /// Creates a node.
    /// - Parameters:
    ///   - first: the script for the first connection that announces an overlay.
    ///   - later: the script for the connections after it; by default the same.
    ///   - creation: the script for connections that request a session; by default it creates one.
    /// - Throws: a failed requirement when no port of the loopback interface can be listened at.
    init(
        _ first: @escaping Script, later: Script? = nil,
        creation: @escaping Script = { $0.send(.success(.createSession, session: ScriptedNode.session)) }
    ) throws {
        listener = try #require(Listener())
        self.first = first
        self.later = later ?? first
        self.creation = creation
        accept()
    }

    deinit { listener.stop() }

    /// The connections that announced an overlay.
    var connections: Int { announcements.count }
    /// What they announced.
    var announcements: [ClientMessage.SendMeta] { counts.withLock(\.announcements) }
    /// The sessions that the client closed.
    var closed: Int { counts.withLock(\.closed) }

    /// A client of this node that does not wait long.
    var client: SynthesisClient {
        var target = SynthesisClient.Target(host: "127.0.0.1", port: listener.port)
        target.timeout = .milliseconds(500)
        target.reconnectTimeout = .milliseconds(500)
        return SynthesisClient(target)
    }

    private func accept() {
        listener.serveOnce { [weak self] descriptor in
            self?.accept()
            self?.serve(NodeConnection(descriptor))
        }
    }

    private func serve(_ connection: NodeConnection) {
        guard let message = connection.receive() else { return }
        do {
            switch message {
            case .createSession: try creation(connection)
            case .closeSession:
                counts.withLock { $0.closed += 1 }
                connection.send(.success(.closeSession))
            case .sendMeta(let announcement):
                let number = counts.withLock { counts in
                    counts.announcements.append(announcement)
                    return counts.announcements.count
                }
                _ = connection.receive(bytes: announcement.size)
                try (number == 1 ? first : later)(connection)
            default: break
            }
            while !connection.receive(bytes: 1 << 20).isEmpty {}
        } catch {
            // The script closes the connection.
        }
    }
}

/// Thrown by scripts to close the connection.
struct Closing: Error {}

/// The node's end of a connection.
struct NodeConnection: Sendable {
    private let descriptor: Int32

    init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var limit = timeval(tv_sec: 30, tv_usec: 0)
        unsafe setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    func send(_ message: ServerMessage) { send(Frame.encode(message.value)) }

    /// - Returns: whether the client still takes bytes.
    @discardableResult
    func send(_ bytes: [UInt8]) -> Bool {
        var sent = 0
        while sent < bytes.count {
            let count = unsafe bytes[sent...].withUnsafeBytes {
                unsafe Glibc.send(descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else { return false }
            sent += count
        }
        return true
    }

    /// Receives exactly `count` bytes; fewer when the client closes.
    func receive(bytes count: Int) -> [UInt8] {
        var result: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        while result.count < count {
            let wanted = min(count - result.count, buffer.count)
            let got = unsafe recv(descriptor, &buffer, wanted, 0)
            guard got > 0 else { break }
            result += buffer.prefix(got)
        }
        return result
    }

    /// Receives a message; `nil` when the client closes.
    func receive() -> ClientMessage? {
        let head = receive(bytes: 4)
        guard head.count == 4 else { return nil }
        let body = receive(bytes: head.reduce(0) { $0 << 8 | Int($1) })
        var reader = MessagePackReader(body.span)
        return (try? reader.readValue()).flatMap { try? ClientMessage($0) }
    }

    /// Requests a blob and receives its announcement.
    func request(_ name: String) throws {
        send(.onDemand(name))
        guard case .sendOverlay(name, _, ScriptedNode.session) = receive() else { throw Closing() }
    }

    /// Requests all blobs of an overlay and receives them.
    func receiveBlobs(of overlay: OverlaySource) throws {
        for blob in overlay.meta.blobs {
            try request(blob.name)
            guard receive(bytes: blob.size).count == blob.size else { throw Closing() }
        }
    }

    /// Confirms the end of the session.
    func finish() throws {
        guard case .finish(ScriptedNode.session, _) = receive() else { throw Closing() }
        send(.success(.finish))
    }
}

/// Overlays to send.
struct Overlays {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    /// An overlay whose blobs have these sizes, and which forwards port 2222 to 22.
    func overlay(_ sizes: [Int] = [100, 200]) throws -> OverlaySource {
        var meta = OverlayMeta(
            baseHash: SHA256Digest(hashing: [1].span), diskSize: 1 << 20, memorySize: 1 << 20,
            blobs: sizes.enumerated().map { .init(name: "b\($0)", size: $1, diskChunks: [], memoryChunks: []) })
        meta.forwards = [PortForward(hostPort: 2222, guestPort: 22)]
        let files = try sizes.enumerated().map { try scratch.write("b\($0)", [UInt8](repeating: 7, count: $1)) }
        return OverlaySource(metaBytes: meta.encoded(), meta: meta, appName: "face", path: scratch.path) {
            .init(files[$0], size: sizes[$0])
        }
    }
}
