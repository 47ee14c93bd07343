// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletNetwork
package import CloudletSystem
import Dispatch
package import Logging
import ServiceLifecycle
import Synchronization

/// Follows the machine's network: which interfaces the policy chooses and which addresses they have, at the start and
/// after each change (rtnetlink(7)).
package final class NetworkMonitor: Service {
    /// The interfaces chosen now; updated when the network changes.
    package let interfaces: CurrentValue<[NetworkInterface]>

    private let policy: InterfacePolicy
    private let lastReported = Mutex<[InterfacePolicy.LeftOut]>([])
    private let logger: Logger

    /// Reads the network once, so that `interfaces` is right from the start.
    /// - Throws: `CloudletError.system` when the kernel does not report it.
    package init(policy: InterfacePolicy, logger: Logger) throws(CloudletError) {
        self.policy = policy
        self.logger = logger
        let all = try Netlink.interfaces()
        interfaces = CurrentValue(policy.choose(from: all))
        reportLeftOut(of: all)
    }

    /// Logs which interfaces are not used and why, whenever this has changed: as a warning when the node has no other
    /// interface.
    private func reportLeftOut(of all: [NetworkInterface]) {
        let leftOut = policy.leftOut(of: all)
        guard
            lastReported.withLock({ reported in
                defer { reported = leftOut }
                return reported != leftOut
            }), !leftOut.isEmpty
        else { return }
        let isAlone = interfaces.value.allSatisfy(\.isLoopback)
        logger.log(
            level: isAlone ? .warning : .info,
            isAlone ? "no LAN interface is used; choose an interface with --interface" : "some interfaces are not used",
            metadata: ["left-out": "\(leftOut.map { "\($0.name) (\($0.reason))" }.joined(separator: ", "))"])
    }

    /// Follows changes until the service is shut down or the task is cancelled.
    package func run() async throws {
        let watch = try Netlink.Changes()
        let (changes, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let source = DispatchSource.makeReadSource(
            fileDescriptor: watch.descriptor, queue: DispatchQueue(label: "netlink"))
        source.setEventHandler {
            watch.drain()
            continuation.yield()
        }
        source.setCancelHandler { _ = watch }
        source.activate()
        defer { source.cancel() }
        // This reads changes from before the watch began.
        continuation.yield()
        for await _ in changes.cancelOnGracefulShutdown() {
            refresh()
            // The kernel reports a change in many messages. The first one is acted on at once, and those that arrive
            // during this pause together after it, so a host whose network changes all the time is not read all the
            // time.
            try? await Task.sleep(for: .milliseconds(50))
        }
    }

    private func refresh() {
        do {
            let all = try Netlink.interfaces()
            let chosen = policy.choose(from: all)
            if interfaces.set(chosen) {
                logger.info(
                    "the network interfaces have changed",
                    metadata: ["interfaces": "\(chosen.map(\.summary).joined(separator: " "))"])
            }
            reportLeftOut(of: all)
        } catch {
            logger.warning("can't read the network's state", metadata: ["error": "\(error)"])
        }
    }
}
