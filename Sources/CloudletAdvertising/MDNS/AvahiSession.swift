// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CAvahi
import CloudletCore
import CloudletDiscovery
import CloudletSystem
import Glibc
import Logging

/// The node's session with avahi-daemon: one client, and one entry group for each interface. Used on one thread only,
/// between calls of `iterate`; callbacks only record their events (`AvahiEvents`), and `settle` handles them.
@safe final class AvahiSession {
    /// The state of the session.
    private(set) var state = AdvertiserState.starting
    /// The configured name and the name to show instead of it, until the caller takes them.
    private var renaming: (desired: String, name: String)?

    private let poll: OpaquePointer
    private let logger: Logger
    private var client: OpaquePointer? = nil
    private var groups: [Int32: EntryGroup] = [:]
    /// The name that is published or being tried; differs from the desired name after a conflict.
    private var name: String?
    /// The name that other parts of the node show.
    private var shown: String?
    /// The time since which `name` is published on all interfaces; `nil` when it is not.
    private var settled: ContinuousClock.Instant?
    /// The groups that publish the configured name beside `name`, until it is certain that no other host claims it.
    private var trial: (groups: [Int32: EntryGroup], established: Int, desired: DesiredPublication)?
    private var published: (name: String, desired: DesiredPublication)?
    private var desired: DesiredPublication?

    private let events = AvahiEvents()
    private var retry = ContinuousClock.now
    private var conflicts = ConflictPace()
    private var changes = ChangePace()
    private var shows = ShowPace()
    private var returns: ReturnPace
    private var pause = Duration.seconds(1)
    private var established = 0

    /// Creates a session on a poll loop, which must outlive it. `returnAfter` is the time from a conflict until the
    /// configured name is tried again for the first time.
    init(poll: OpaquePointer, returnAfter: Duration, logger: Logger) {
        unsafe self.poll = poll
        returns = ReturnPace(first: returnAfter)
        self.logger = logger
    }

    deinit {
        // Freeing the client frees its groups; the daemon then sends their goodbyes.
        if let client = unsafe client { unsafe avahi_client_free(client) }
    }

    /// Changes the desired publication.
    func set(_ desired: DesiredPublication) {
        if self.desired?.publication.name != desired.publication.name {
            name = desired.publication.name
            shown = name
            returns.end()
        }
        self.desired = desired
    }

    /// Returns the new name since the last call; `nil` when the name has not changed.
    func takeRenaming() -> (desired: String, name: String)? {
        defer { renaming = nil }
        return renaming
    }

    /// Milliseconds until `settle` must be called even if nothing happens; -1 for never.
    var timeout: Int32 {
        var due: [ContinuousClock.Instant] = []
        if unsafe client == nil {
            due.append(retry)
        } else if isRunning {
            if desired != published?.desired || name != published?.name { due.append(nextPublication) }
            if let settled {
                if name != shown { due.append(shows.due(since: settled)) }
                if trial == nil, let next = returns.next { due.append(next) }
            }
        }
        guard let first = due.min() else { return -1 }
        return Int32(max(0, min(60_000, (first - .now).seconds * 1000 + 1)))
    }

    /// The time from which the desired state may be published.
    private var nextPublication: ContinuousClock.Instant {
        // After a conflict, other hosts know no published name, so the next name does not count as a change.
        guard published != nil else { return retry }
        return max(retry, changes.next(hasTime: isTextAlone) ?? retry)
    }

    /// Whether the published state differs from the desired state in the TXT record only.
    private var isTextAlone: Bool {
        guard let published, let desired else { return false }
        return published.name == name && published.desired.differsOnlyInText(from: desired)
            && published.desired.publication.txt != desired.publication.txt
    }

    /// Handles recorded events and applies the desired state: connects, publishes, renames, or starts again from the
    /// beginning.
    func settle() {
        if let event = events.client {
            events.client = nil
            follow(event)
        }
        while let event = events.groups.first {
            events.groups.removeFirst()
            follow(event.state, of: event.group)
        }
        if unsafe client == nil, retry <= .now { connect() }
        guard isRunning else { return }
        publish()
        guard let settled else { return }
        if let name, let desired, name != shown, shows.due(since: settled) <= .now {
            shown = name
            renaming = (desired.publication.name, name)
            shows.note(at: .now)
        }
        if trial == nil, let next = returns.next, next <= .now { tryDesiredName() }
    }

    private var isRunning: Bool {
        guard let client = unsafe client else { return false }
        return unsafe avahi_client_get_state(client) == AVAHI_CLIENT_S_RUNNING
    }

    private func connect() {
        var failure: Int32 = 0
        let context = unsafe Unmanaged.passUnretained(events).toOpaque()
        unsafe client = avahi_client_new(
            avahi_simple_poll_get(poll), AVAHI_CLIENT_NO_FAIL,
            { client, state, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<AvahiEvents>.fromOpaque(context).takeUnretainedValue().client = state
            }, context, &failure)
        if unsafe client == nil {
            wait("no mDNS responder: \(Self.text(failure))")
        } else if events.client == AVAHI_CLIENT_CONNECTING {
            report(.waiting("avahi-daemon is not running"))
        }
    }

    private func follow(_ event: AvahiClientState) {
        switch event {
        case AVAHI_CLIENT_S_RUNNING:
            pause = .seconds(1)
            // This state also follows a change of the host name: publish everything again.
            reset()
        case AVAHI_CLIENT_S_COLLISION, AVAHI_CLIENT_S_REGISTERING: reset()
        case AVAHI_CLIENT_CONNECTING: report(.waiting("avahi-daemon is not running"))
        default:
            // The daemon or the bus is gone, so this client can't be used any more.
            let reason = unsafe client.map { unsafe Self.text(avahi_client_errno($0)) } ?? "failed"
            if let client = unsafe client { unsafe avahi_client_free(client) }
            unsafe client = nil
            groups = [:]
            trial = nil
            events.groups = []
            (published, settled) = (nil, nil)
            wait("the connection to the mDNS responder was lost: \(reason)")
        }
    }

    private func follow(_ event: AvahiEntryGroupState, of group: EntryGroupID) {
        if let trial, trial.groups.values.contains(where: { $0.id == group }) { return followTrial(event) }
        switch event {
        case AVAHI_ENTRY_GROUP_ESTABLISHED:
            established += 1
            guard established == groups.count, let published else { return }
            if settled == nil {
                settled = .now
                changes.note(at: .now)
                if published.name != published.desired.publication.name, returns.next == nil {
                    returns.wait(from: .now)
                }
            }
            report(.announced(published.desired.interfaces.values.sorted().joined(separator: ", ")))
        case AVAHI_ENTRY_GROUP_COLLISION: rename()
        case AVAHI_ENTRY_GROUP_FAILURE:
            reset()
            wait("avahi-daemon can't publish the node")
        default: break
        }
    }

    private func rename() {
        guard let taken = name else { return }
        let wasSlow = conflicts.isSlow
        let wait = conflicts.conflict(at: .now)
        let chosen = NodeName.alternative(to: taken)
        // Of many conflicts in a row, log the first one, and once that there are many.
        if taken == desired?.publication.name || settled != nil {
            logger.notice(
                "another host of this network uses the node's name",
                metadata: ["name": "\(taken.displayable())", "now": "\(chosen.displayable())"])
        }
        if conflicts.isSlow, !wasSlow {
            logger.warning(
                "a host of this network claims every name; the node tries another one every 5 s",
                metadata: ["name": "\(chosen)"])
        }
        name = chosen
        reset()
        retry = .now + wait
    }

    // MARK: - Return to the configured name

    /// Publishes the configured name beside the current one, which stays until it is certain that no other host claims
    /// the configured one.
    private func tryDesiredName() {
        guard let desired, let name, name != desired.publication.name else { return returns.end() }
        var made: [Int32: EntryGroup] = [:]
        var isRefused = false
        for interface in desired.interfaces.keys where !isRefused {
            let (group, result) = add(interface, desired.publication.name, desired)
            made[interface] = group
            isRefused = result < 0
        }
        trial = (made, 0, desired)
        if isRefused || made.isEmpty { endTrial() }
    }

    private func followTrial(_ event: AvahiEntryGroupState) {
        switch event {
        case AVAHI_ENTRY_GROUP_ESTABLISHED:
            trial?.established += 1
            guard let trial, trial.established == trial.groups.count else { return }
            release(groups)
            (groups, established) = (trial.groups, trial.established)
            (name, published) = (trial.desired.publication.name, (trial.desired.publication.name, trial.desired))
            (self.trial, settled) = (nil, .now)
            returns.end()
            logger.notice(
                "the node has its own name again", metadata: ["name": "\(trial.desired.publication.name.displayable())"]
            )
        case AVAHI_ENTRY_GROUP_COLLISION, AVAHI_ENTRY_GROUP_FAILURE: endTrial()
        default: break
        }
    }

    private func endTrial() {
        guard let trial else { return }
        release(trial.groups)
        self.trial = nil
        returns.wait(from: .now)
    }

    // MARK: - Publishing

    private func release(_ groups: [Int32: EntryGroup]) {
        for group in groups.values {
            group.free()
            events.groups.removeAll { $0.group == group.id }
        }
    }

    /// Withdraws everything, so that `publish` starts from the beginning.
    private func reset() {
        release(groups)
        if let trial { release(trial.groups) }
        groups = [:]
        (trial, published, settled) = (nil, nil, nil)
        established = 0
    }

    /// Withdraws all records. When the same name is withdrawn on several interfaces, avahi 0.8 sometimes sends the
    /// goodbye on one of them only; this happens less often when they are withdrawn one after the other.
    func withdraw() {
        var rest = groups.count
        for group in groups.values {
            group.free()
            rest -= 1
            if rest > 0 { usleep(150_000) }
        }
        if let trial { release(trial.groups) }
        groups = [:]
        (trial, published, settled) = (nil, nil, nil)
    }

    private func publish() {
        guard let desired, let name else { return }
        if let published, published.name == name, published.desired.differsOnlyInText(from: desired), !isTextAlone {
            return self.published = (name, desired)
        }
        guard nextPublication <= .now else { return }
        if isTextAlone {
            // A TXT record can change without a new probe.
            changes.note(at: .now)
            self.published = (name, desired)
            for (interface, group) in groups {
                let result = group.updateText(desired, as: name, on: interface)
                if result < 0 {
                    logger.warning("can't update the TXT record", metadata: ["reason": "\(Self.text(result))"])
                }
            }
            return
        }
        reset()
        published = (name, desired)
        if desired.interfaces.isEmpty { return report(.waiting("no network interface to announce on")) }
        for (interface, label) in desired.interfaces {
            let (group, result) = add(interface, name, desired)
            groups[interface] = group
            if result == Int32(cloudlet_avahi_collision) { return rename() }
            if result < 0 {
                reset()
                return wait("avahi-daemon refuses to publish on \(label): \(Self.text(result))")
            }
        }
    }

    /// Publishes on one interface.
    /// - Returns: the group, if there is one, and 0 or avahi's error.
    private func add(_ interface: Int32, _ name: String, _ desired: DesiredPublication) -> (EntryGroup?, Int32) {
        guard let client = unsafe client else { return (nil, -1) }
        guard let group = unsafe EntryGroup(of: client, reportingTo: events) else {
            return (nil, unsafe avahi_client_errno(client))
        }
        return (group, group.publish(desired, as: name, on: interface))
    }

    private func wait(_ reason: String) {
        report(.waiting(reason))
        retry = .now + pause
        pause = min(pause * 2, .seconds(10))
    }

    /// Logs each change of state once.
    private func report(_ new: AdvertiserState) {
        guard new != state else { return }
        let wasWaiting = state.isWaiting
        state = new
        if new.isWaiting, wasWaiting { return }
        logger.notice("mDNS: \(new)")
    }

    private static func text(_ error: Int32) -> String { unsafe String(cString: avahi_strerror(error)) }
}

extension AdvertiserState {
    /// Whether the node can't be announced now.
    var isWaiting: Bool { if case .waiting = self { true } else { false } }
}
