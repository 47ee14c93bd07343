// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CAvahi
import CloudletCore
package import CloudletDiscovery
package import CloudletNetwork
package import CloudletSystem
package import Logging
import ServiceLifecycle
import Synchronization

/// Announces the node by mDNS and DNS-SD through the machine's avahi-daemon: `_cloudlet._tcp` on every chosen
/// interface.
///
/// Without a daemon, the advertiser logs this once, continues, and connects when a daemon appears. When another host
/// uses the name, the advertiser takes the next one (`X #2`) and writes it into the record, so that every protocol
/// shows the same name; it tries the configured one again later.
package final class MDNSAdvertiser: Advertiser {
    /// Where the node is announced now.
    package let state = CurrentValue(AdvertiserState.starting)

    private let record: CurrentValue<NodeRecord>
    private let interfaces: CurrentValue<[NetworkInterface]>
    private let withOldName: Bool
    private let returnAfter: Duration
    private let logger: Logger

    /// Creates an advertiser of `record` on `interfaces`. `withOldName` says whether to announce `_cloudlet._udp` as
    /// well, which clients of 2014 search for. `returnAfter` is how long a node that had to take another name waits
    /// before it tries the configured one again.
    package init(
        record: CurrentValue<NodeRecord>, interfaces: CurrentValue<[NetworkInterface]>, withOldName: Bool = false,
        returnAfter: Duration = .seconds(300), logger: Logger
    ) {
        self.record = record
        self.interfaces = interfaces
        self.withOldName = withOldName
        self.returnAfter = returnAfter
        self.logger = logger
    }

    /// Announces until the service is shut down or the task is cancelled; the daemon then sends the goodbyes.
    package func run() async throws {
        let loop = try AvahiLoop()
        await withTaskGroup { group in
            group.addTask { [state, record, returnAfter, logger] in
                await loop.run(returnAfter: returnAfter, logger: logger) { newState, renaming in
                    state.set(newState)
                    guard let renaming else { return }
                    // Ignore the new name if the node's configured name has changed in the meantime.
                    record.update { if $0.requestedName == renaming.desired { $0.use(name: renaming.name) } }
                }
            }
            let changes = merge(record.values().map { _ in }, interfaces.values().map { _ in })
            for await _ in changes.cancelOnGracefulShutdown() {
                let names = interfaces.value.map { ($0.index, $0.name) }
                loop.set(
                    DesiredPublication(
                        publication: MDNSPublication(record.value, withOldName: withOldName),
                        interfaces: Dictionary(names) { first, _ in first }, withOldName: withOldName))
            }
            loop.stop()
        }
        state.set(.stopped)
    }
}

/// The thread on which avahi runs, and how other threads wake it.
///
/// `@unchecked Sendable`: the pointer is created before and freed after all other use; other threads only call
/// `avahi_simple_poll_wakeup` with it, under the lock, which writes a byte into a pipe.
@safe private final class AvahiLoop: @unchecked Sendable {
    private struct Inbox {
        var desired: DesiredPublication?
        var isStopped = false
    }

    private let poll: OpaquePointer
    private let inbox = Mutex(Inbox())

    init() throws(CloudletError) {
        guard let poll = unsafe avahi_simple_poll_new() else {
            throw CloudletError(.system, "can't create avahi's event loop")
        }
        unsafe self.poll = poll
    }

    deinit { unsafe avahi_simple_poll_free(poll) }

    func set(_ desired: DesiredPublication) {
        inbox.withLock { $0.desired = desired }
        unsafe avahi_simple_poll_wakeup(poll)
    }

    func stop() {
        inbox.withLock { $0.isStopped = true }
        unsafe avahi_simple_poll_wakeup(poll)
    }

    /// Runs a session on a thread of its own until `stop`; calls `report` after each round with the state and, if the
    /// name has changed in that round, with the new name.
    func run(
        returnAfter: Duration, logger: Logger,
        report: @escaping @Sendable (AdvertiserState, (desired: String, name: String)?) -> Void
    ) async {
        do {
            try await blocking { [self] () throws(CloudletError) in
                let session = unsafe AvahiSession(poll: poll, returnAfter: returnAfter, logger: logger)
                while true {
                    let (desired, isStopped) = inbox.withLock { inbox in
                        defer { inbox.desired = nil }
                        return (inbox.desired, inbox.isStopped)
                    }
                    if isStopped {
                        session.withdraw()
                        break
                    }
                    if let desired { session.set(desired) }
                    session.settle()
                    report(session.state, session.takeRenaming())
                    iterate(for: session.timeout)
                }
            }
        } catch {
            report(.waiting(error.description), nil)
        }
    }

    /// Like `avahi_simple_poll_iterate`, which loses a wakeup that comes before it begins to wait (simple-watch.c of
    /// avahi 0.8): this function checks for such events at a point after which no wakeup is lost.
    private func iterate(for milliseconds: Int32) {
        guard unsafe avahi_simple_poll_prepare(poll, milliseconds) == 0 else { return }
        if inbox.withLock({ $0.isStopped || $0.desired != nil }) { unsafe avahi_simple_poll_wakeup(poll) }
        if unsafe avahi_simple_poll_run(poll) == 0 { _ = unsafe avahi_simple_poll_dispatch(poll) }
    }
}
