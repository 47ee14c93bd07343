import CNetwork
import CloudletCore
import CloudletSystem
import Glibc
import Synchronization

/// A datagram as it arrived.
struct Packet: Sendable {
    let time: ContinuousClock.Instant
    let source: Place
    /// Its TTL or hop limit.
    let hops: Int
    let bytes: [UInt8]
}

/// A UDP socket that keeps everything it hears, with the time: a group of an interface to listen to, or an address to
/// ask from. Read by the `Ear` it belongs to.
final class UDPPort: Sendable {
    let descriptor: Int32
    /// Where it is bound.
    let place: Place
    private let heard = Mutex<[Packet]>([])

    fileprivate init(_ descriptor: Int32) {
        self.descriptor = descriptor
        var local = cloudlet_peer()
        _ = unsafe cloudlet_local(descriptor, &local)
        place = Place(local)
    }

    deinit { close(descriptor) }

    /// What has come since a time.
    func packets(since time: ContinuousClock.Instant? = nil) -> [Packet] {
        heard.withLock { packets in packets.filter { packet in time.map { packet.time >= $0 } ?? true } }
    }

    /// Sends a datagram.
    @discardableResult func send(_ bytes: [UInt8], to target: Place) -> Bool {
        unsafe cloudlet_send(descriptor, bytes, bytes.count, target.raw) == bytes.count
    }

    @discardableResult func send(_ text: String, to target: Place) -> Bool { send(Array(text.utf8), to: target) }

    fileprivate func read() {
        var buffer = [UInt8](repeating: 0, count: 9100)
        var sender = cloudlet_peer()
        var hops: Int32 = -1
        for _ in 0..<256 {
            let count = unsafe cloudlet_receive_with_hops(descriptor, &buffer, 9100, &sender, &hops)
            if count < 0 { return }
            let packet = Packet(
                time: .now, source: Place(sender), hops: Int(hops), bytes: Array(buffer.prefix(Int(count))))
            heard.withLock { $0.append(packet) }
        }
    }
}

/// Listens to any number of sockets on one thread.
final class Ear: Sendable {
    private let poll: Int32
    private let ports = Mutex<[UInt64: Weak]>([:])

    private struct Weak: Sendable {
        weak let port: UDPPort?
    }

    init() throws(CloudletError) {
        poll = epoll_create1(Int32(EPOLL_CLOEXEC))
        guard poll >= 0 else { throw CloudletError(errno: errno, "can't listen") }
        guard DetachedThread.start({ [self] in run() }) else { throw CloudletError(.system, "no thread to listen on") }
    }

    private func run() {
        var ready = [cloudlet_ready](repeating: cloudlet_ready(), count: 64)
        while true {
            let count = unsafe cloudlet_poll_wait(poll, &ready, 64, 1000)
            for entry in ready.prefix(Int(max(count, 0))) { ports.withLock({ $0[entry.number] })?.port?.read() }
        }
    }

    /// A socket that hears what is sent to a group on an interface.
    func group(_ group: Place, on interface: String, index: Int32) throws(CloudletError) -> UDPPort {
        try make(group.isV6, "can't listen to \(group) port \(group.port) on \(interface)") { socket in
            guard unsafe cloudlet_bind_device(socket, interface) == 0 else { return false }
            var local = group
            local.scope = group.isV6 ? UInt32(index) : 0
            guard cloudlet_bind(socket, local.raw) == 0 else { return false }
            if group.isV6 {
                let bytes = [group.high, group.low].flatMap { word in
                    (0..<8).map { UInt8(truncatingIfNeeded: word >> UInt64(56 - 8 * $0)) }
                }
                return unsafe cloudlet_join6(socket, bytes, UInt32(index)) == 0
            }
            return cloudlet_set_option(socket, cloudlet_level_ip, cloudlet_ip_multicast_all, 0) == 0
                && cloudlet_join4(socket, UInt32(truncatingIfNeeded: group.low).bigEndian, index) == 0
        }
    }

    /// A socket to ask from: bound to an address of this host, multicast leaves by the interface.
    /// `port` is 0 for any; a fixed one is shared with other programs.
    func asker(from address: Place, port: UInt16 = 0, index: Int32, hops: Int32) throws(CloudletError) -> UDPPort {
        try make(address.isV6, "can't use port \(port) of \(address)") { socket in
            guard cloudlet_bind(socket, address.at(port).raw) == 0 else { return false }
            if address.isV6 {
                return cloudlet_set_option(socket, cloudlet_level_ipv6, IPV6_MULTICAST_IF, index) == 0
                    && cloudlet_set_option(socket, cloudlet_level_ipv6, IPV6_MULTICAST_HOPS, hops) == 0
            }
            return cloudlet_send_from4(socket, index) == 0
                && cloudlet_set_option(socket, cloudlet_level_ip, IP_MULTICAST_TTL, hops) == 0
        }
    }

    private func make(
        _ isV6: Bool, _ purpose: String, _ configure: (Int32) -> Bool
    ) throws(CloudletError) -> UDPPort {
        let socket = cloudlet_udp_socket(isV6 ? AF_INET6 : AF_INET)
        guard socket >= 0 else { throw CloudletError(errno: errno, purpose) }
        let (level, hops) = isV6 ? (cloudlet_level_ipv6, IPV6_RECVHOPLIMIT) : (cloudlet_level_ip, IP_RECVTTL)
        _ = cloudlet_set_option(socket, SOL_SOCKET, SO_REUSEADDR, 1)
        _ = cloudlet_set_option(socket, SOL_SOCKET, SO_REUSEPORT, 1)
        _ = cloudlet_set_option(socket, SOL_SOCKET, SO_RCVBUF, 4 << 20)
        _ = cloudlet_set_option(socket, level, hops, 1)
        if isV6 { _ = cloudlet_set_option(socket, cloudlet_level_ipv6, IPV6_V6ONLY, 1) }
        guard configure(socket) else {
            let error = CloudletError(errno: errno, purpose)
            close(socket)
            throw error
        }
        let port = UDPPort(socket)
        let number = UInt64(socket)
        ports.withLock { $0[number] = Weak(port: port) }
        _ = cloudlet_poll_watch(poll, socket, number, cloudlet_readable)
        return port
    }
}
