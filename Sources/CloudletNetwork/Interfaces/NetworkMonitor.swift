import CNetwork
public import CloudletCore
public import CloudletSystem
import Dispatch
import Glibc
public import Logging
public import ServiceLifecycle
import Synchronization

/// Follows the machine's network: which interfaces the policy chooses and which addresses they have, at once and
/// after each change (rtnetlink(7)).
public final class NetworkMonitor: Service {
    /// The interfaces chosen now; changes as the network does.
    public let interfaces: CurrentValue<[NetworkInterface]>

    private let policy: InterfacePolicy
    private let told = Mutex<[InterfacePolicy.LeftOut]>([])
    private let logger: Logger

    /// Reads the network once, so that `interfaces` is right from the start.
    /// - Throws: `CloudletError.system` when the kernel does not tell.
    public init(policy: InterfacePolicy, logger: Logger) throws(CloudletError) {
        self.policy = policy
        self.logger = logger
        let all = try Self.readInterfaces()
        interfaces = CurrentValue(policy.choose(from: all))
        tellLeftOut(of: all)
    }

    /// Says which interfaces are not used, and why, when that has changed: loudly when the node has no other.
    private func tellLeftOut(of all: [NetworkInterface]) {
        let leftOut = policy.leftOut(of: all)
        guard
            told.withLock({ told in
                defer { told = leftOut }
                return told != leftOut
            }), !leftOut.isEmpty
        else { return }
        let isAlone = interfaces.value.allSatisfy(\.isLoopback)
        logger.log(
            level: isAlone ? .warning : .info,
            isAlone ? "no interface of a LAN is used; name one with --interface" : "interfaces are left out",
            metadata: ["left-out": "\(leftOut.map { "\($0.name) (\($0.reason))" }.joined(separator: ", "))"])
    }

    /// Follows changes until the service is shut down or the task is cancelled. Changes that come together are taken
    /// together.
    public func run() async throws {
        let watch = cloudlet_netlink_open(1)
        guard watch >= 0 else { throw SystemCallError.current("can't watch the network") }
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let source = DispatchSource.makeReadSource(fileDescriptor: watch, queue: DispatchQueue(label: "netlink"))
        source.setEventHandler {
            Self.drain(watch)
            continuation.yield()
        }
        source.setCancelHandler { close(watch) }
        source.activate()
        defer { source.cancel() }
        // What changed before the watch began is read here.
        continuation.yield()
        for await _ in changes.cancelOnGracefulShutdown() {
            refresh()
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private func refresh() {
        do {
            let all = try Self.readInterfaces()
            let chosen = policy.choose(from: all)
            if interfaces.set(chosen) {
                logger.info(
                    "network changed", metadata: ["interfaces": "\(chosen.map(\.summary).joined(separator: " "))"])
            }
            tellLeftOut(of: all)
        } catch {
            logger.warning("can't read the network's state", metadata: ["error": "\(error)"])
        }
    }

    /// Every interface of the machine (of this network namespace) with its usable addresses.
    public static func readInterfaces() throws(CloudletError) -> [NetworkInterface] {
        try read([Int32(RTM_GETLINK), Int32(RTM_GETADDR)]).interfaces
    }

    /// Addresses behind which the machine knows a host, from what it had to do with it lately; none when it does not
    /// tell.
    package static func readNeighbours() -> Set<IPAddress> { (try? read([Int32(RTM_GETNEIGH)]))?.neighbours ?? [] }

    private static func read(_ requests: [Int32]) throws(CloudletError) -> NetlinkMessages {
        let socket = cloudlet_netlink_open(0)
        guard socket >= 0 else { throw SystemCallError.current("can't ask the kernel for its interfaces") }
        defer { close(socket) }
        var messages = NetlinkMessages()
        var buffer = [UInt8](repeating: 0, count: 64 << 10)
        for request in requests {
            messages.beginAnswer()
            guard cloudlet_netlink_dump(socket, request) == 0 else {
                throw SystemCallError.current("can't ask the kernel for its interfaces")
            }
            while !messages.isDone {
                do {
                    try messages.add(receive(socket, into: &buffer))
                } catch {
                    throw CloudletError(.system, "can't read the kernel's list of interfaces", cause: error)
                }
            }
            if let failure = messages.failure, failure != 0 {
                throw SystemCallError.make(failure, "the kernel does not list its interfaces")
            }
        }
        return messages
    }

    private static func receive(_ socket: Int32, into buffer: inout [UInt8]) throws -> [UInt8] {
        while true {
            let capacity = buffer.count
            let got = unsafe recv(socket, &buffer, capacity, 0)
            if got < 0, errno == EINTR { continue }
            guard got > 0 else { throw SystemCallError.current("netlink") }
            return Array(buffer.prefix(got))
        }
    }

    /// Reads away what is queued; the content does not matter, the state is read anew.
    package static func drain(_ socket: Int32) {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        let capacity = buffer.count
        // An overrun (ENOBUFS) is an answer too: something changed.
        while unsafe recv(socket, &buffer, capacity, 0) > 0 || errno == ENOBUFS || errno == EINTR {}
    }
}

extension NetworkInterface {
    /// Name and addresses for a log line.
    package var summary: String { "\(name)(\(addresses.map(\.address.description).joined(separator: ",")))" }
}
