// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMessagePack
import CloudletOverlay
import CloudletSession
import CloudletSystem
import CloudletTestSupport
import CloudletWire
import Glibc
import SystemPackage

/// A client of bare sockets that sends what it is told, byte for byte.
final class RawClient: Sendable {
    private let socket: File

    /// Connects to a port of 127.0.0.1, from any address of the loopback interface.
    init(_ port: UInt16, from source: String = "127.0.0.1") async throws {
        socket = try await blocking { () throws(CloudletError) in try Self.connect(port, from: source) }
        var timeout = timeval(tv_sec: 10, tv_usec: 0)
        unsafe setsockopt(socket.descriptor, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
    }

    private static func connect(_ port: UInt16, from source: String) throws(CloudletError) -> File {
        let socket = File(owning: Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0), named: "client")
        for (host, port) in [(source, 0), ("127.0.0.1", port)] {
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = port.bigEndian
            guard unsafe inet_pton(AF_INET, host, &address.sin_addr) == 1 else {
                throw CloudletError(.usage, "'\(host)' is not an IPv4 address")
            }
            let result = unsafe withUnsafePointer(to: &address) { pointer in
                unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    let size = socklen_t(MemoryLayout<sockaddr_in>.size)
                    return port == 0
                        ? unsafe Glibc.bind(socket.descriptor, $0, size)
                        : unsafe Glibc.connect(socket.descriptor, $0, size)
                }
            }
            guard result == 0 else { throw CloudletError(errno: errno, "can't connect from \(source)") }
        }
        return socket
    }

    func send(_ bytes: [UInt8]) async throws {
        try await blocking { [socket] () throws(CloudletError) in try socket.writeAll(bytes.span) }
    }

    /// Reads exactly `count` bytes, fewer only at the end of the stream.
    func receive(_ count: Int) async throws -> [UInt8] {
        try await blocking { [socket] () throws(CloudletError) in
            var result: [UInt8] = []
            while result.count < count {
                var buffer = [UInt8](repeating: 0, count: count - result.count)
                let capacity = buffer.count
                let got = unsafe recv(socket.descriptor, &buffer, capacity, 0)
                if got == 0 || got < 0 && errno == ECONNRESET { return result }
                guard got > 0 else { throw CloudletError(errno: errno, "can't receive") }
                result += buffer[0..<got]
            }
            return result
        }
    }

    /// What is there as soon as anything is.
    func receivePiece() async throws -> [UInt8] {
        try await blocking { [socket] () throws(CloudletError) in
            var buffer = [UInt8](repeating: 0, count: 4096)
            let got = unsafe recv(socket.descriptor, &buffer, 4096, 0)
            guard got >= 0 else { throw CloudletError(errno: errno, "can't receive") }
            return Array(buffer.prefix(got))
        }
    }

    /// Goes away as a host does whose network is gone: the other side is told nothing.
    func vanish() {
        let tcpRepair: Int32 = 19
        var on: Int32 = 1
        // Acknowledges what came: the other side would send it again, and find out by that.
        _ = unsafe setsockopt(
            socket.descriptor, Int32(IPPROTO_TCP), TCP_QUICKACK, &on, socklen_t(MemoryLayout<Int32>.size))
        let result = unsafe setsockopt(
            socket.descriptor, Int32(IPPROTO_TCP), tcpRepair, &on, socklen_t(MemoryLayout<Int32>.size))
        precondition(result == 0, "needs root")
        // The number stays in use, by a file that is none of the connection's.
        let other = unsafe open("/dev/null", O_RDONLY)
        dup2(other, socket.descriptor)
        close(other)
    }

    func receiveMessage() async throws -> MessagePackValue {
        let length = try await receive(4).reduce(0) { $0 << 8 | Int($1) }
        let body = try await receive(length)
        var reader = MessagePackReader(body.span)
        return try reader.readValue()
    }

    /// All messages up to the end of the stream.
    func receiveMessages() async throws -> [ServerMessage] {
        var messages: [ServerMessage] = []
        while true {
            let head = try await receive(4)
            guard head.count == 4 else { return messages }
            let body = try await receive(head.reduce(0) { $0 << 8 | Int($1) })
            var reader = MessagePackReader(body.span)
            messages.append(try ServerMessage(try reader.readValue()))
        }
    }

    func sendBlob(_ overlay: OverlaySource, _ index: Int, _ session: SessionID) async throws {
        let blob = overlay.meta.blobs[index]
        try await send(
            Frame.encode(ClientMessage.sendOverlay(name: blob.name, size: blob.size, session: session).value))
        try await send(try overlay.open(index).read(0..<blob.size))
    }

    static func createSession(_ port: UInt16, from source: String = "127.0.0.1") async throws -> SessionID {
        let raw = try await RawClient(port, from: source)
        try await raw.send(hex("0000000a 81 a7636f6d6d616e64 15"))
        guard case .success(.createSession, let session?, _) = try ServerMessage(try await raw.receiveMessage()) else {
            throw CloudletError(.protocolViolation, "no session")
        }
        return session
    }

    /// Sends a short command and waits for its success and the end of the connection.
    static func command(_ port: UInt16, _ message: ClientMessage) async throws {
        let raw = try await RawClient(port)
        try await raw.send(Frame.encode(message.value))
        guard case .success = try ServerMessage(try await raw.receiveMessage()), try await raw.receive(1) == [] else {
            throw CloudletError(.protocolViolation, "no success")
        }
    }

    /// Runs a session up to DONE and closes the connection there, as the client of 2014 does.
    static func runSession(_ port: UInt16, _ overlay: OverlaySource) async throws -> SessionID {
        try await connectSession(port, overlay).session
    }

    /// Runs a session up to DONE.
    /// - Returns: the session and its connection.
    static func connectSession(
        _ port: UInt16, _ overlay: OverlaySource
    ) async throws -> (session: SessionID, connection: RawClient) {
        let session = try await createSession(port)
        let raw = try await RawClient(port)
        try await raw.run(.init(size: overlay.metaBytes.count, session: session), overlay, session)
        return (session, raw)
    }

    /// Announces an overlay and sends it, up to DONE.
    func run(
        _ announcement: ClientMessage.SendMeta, _ overlay: OverlaySource, _ session: SessionID
    ) async throws {
        try await send(Frame.encode(ClientMessage.sendMeta(announcement).value) + overlay.metaBytes)
        while true {
            switch try ServerMessage(try await receiveMessage()) {
            case .onDemand(let name):
                guard let index = overlay.meta.blobs.firstIndex(where: { $0.name == name }) else { break }
                try await sendBlob(overlay, index, session)
            case .synthesisDone: return
            case .fail(let reason, _): throw CloudletError(.unavailable, reason)
            default: break
            }
        }
    }
}
