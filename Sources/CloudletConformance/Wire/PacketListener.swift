// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem
import Glibc
import Synchronization

/// A received datagram.
struct Packet: Sendable {
    let time: ContinuousClock.Instant
    let source: Endpoint
    /// The TTL or hop limit with which it arrived.
    let hops: Int
    let bytes: [UInt8]
}

/// A UDP socket that stores everything it receives, with the times: it listens to a multicast group on an interface, or
/// sends queries from an address. The `PacketListener` that created it reads it.
final class RecordingSocket: Sendable {
    private let descriptor: Int32
    private let recorded = Mutex<[Packet]>([])

    fileprivate init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// The datagrams received since a time.
    func packets(since time: ContinuousClock.Instant? = nil) -> [Packet] {
        recorded.withLock { packets in packets.filter { packet in time.map { packet.time >= $0 } ?? true } }
    }

    /// Sends a datagram.
    @discardableResult func send(_ bytes: [UInt8], to target: Endpoint) -> Bool {
        DatagramSocket.send(bytes, from: descriptor, to: target)
    }

    @discardableResult func send(_ text: String, to target: Endpoint) -> Bool { send(Array(text.utf8), to: target) }

    fileprivate func read(into buffer: inout [UInt8]) {
        for _ in 0..<256 {
            guard let (count, sender, hops) = DatagramSocket.receive(descriptor, into: &buffer) else { return }
            let packet = Packet(time: .now, source: sender, hops: Int(hops), bytes: Array(buffer.prefix(count)))
            recorded.withLock { $0.append(packet) }
        }
    }
}

/// Receives from any number of sockets on one thread.
final class PacketListener: Sendable {
    private struct Weak: Sendable {
        weak let socket: RecordingSocket?
    }

    private let poller: Poller
    private let sockets = Mutex<[UInt64: Weak]>([:])
    private let packetArrivals = Arrivals()

    init() throws(CloudletError) {
        poller = try Poller()
        guard DetachedThread.start({ [self] in run() }) else { throw DetachedThread.refusal }
    }

    private func run() {
        var buffer = [UInt8](repeating: 0, count: 9100)
        while true {
            for entry in poller.wait(until: nil) {
                sockets.withLock { $0[entry.number] }?.socket?.read(into: &buffer)
            }
            packetArrivals.note()
        }
    }

    /// A stream that yields at once and again whenever packets have arrived at any socket, until `time` is over.
    func arrivals(for time: Duration) -> AsyncStream<Void> { packetArrivals.stream(for: time) }

    /// Creates a socket that receives the packets to a group on an interface.
    func group(_ group: Endpoint, on interface: NetworkInterface) throws(CloudletError) -> RecordingSocket {
        try record(
            DatagramSocket.receiver(of: group.address, port: group.port, on: interface), isV4: group.address.isV4)
    }

    /// Creates a socket for queries: it is bound to an address of this host, and its multicast packets leave by the
    /// interface. `port` is 0 for any port; a fixed port is shared with other programs.
    func queryPort(
        from address: IPAddress, port: UInt16 = 0, on interface: NetworkInterface, hops: Int32
    ) throws(CloudletError) -> RecordingSocket {
        try record(
            DatagramSocket.sender(from: address, port: port, on: interface, hops: hops), isV4: address.isV4)
    }

    private func record(_ descriptor: Int32, isV4: Bool) throws(CloudletError) -> RecordingSocket {
        let socket = RecordingSocket(descriptor)
        DatagramSocket.enlargeReceiveBuffer(descriptor, to: 4 << 20)
        try DatagramSocket.reportHops(descriptor, ofV4: isV4)
        let number = UInt64(descriptor)
        sockets.withLock { $0[number] = Weak(socket: socket) }
        poller.watch(descriptor, as: number)
        return socket
    }
}
