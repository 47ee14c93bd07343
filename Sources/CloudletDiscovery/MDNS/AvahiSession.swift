import CAvahi
import CloudletCore
import Glibc
import Logging

/// The node's dealings with avahi-daemon: one client, one entry group an interface. Lives on one thread, between
/// `iterate` and `iterate`; what avahi calls back only notes what happened, and `settle` acts on it, because a client
/// or group must not be freed while it calls.
@safe final class AvahiSession {
    /// What is to be published, on the interfaces with these numbers.
    struct Wish: Hashable, Sendable {
        var publication: MDNSPublication
        var interfaces: [Int32: String]
        var withOldName: Bool

        /// The service types.
        var types: [String] { withOldName ? [MDNSPublication.type, MDNSPublication.oldType] : [MDNSPublication.type] }

        /// Whether nothing but the TXT record may differ. The name is not looked at.
        func differsOnlyInText(from other: Wish) -> Bool {
            interfaces == other.interfaces && withOldName == other.withOldName
                && publication.port == other.publication.port && publication.subtypes == other.publication.subtypes
        }
    }

    /// How far the session has got.
    private(set) var state = AdvertiserState.starting
    /// The name that was taken by another host and the one chosen instead, until it is fetched.
    private var renaming: (from: String, to: String)?

    private let poll: OpaquePointer
    private let logger: Logger
    private var client: OpaquePointer? = nil
    private var groups: [Int32: EntryGroup] = [:]
    /// The name in force; differs from the wish after a collision.
    private var name: String?
    private var published: (name: String, wish: Wish)?
    private var wish: Wish?

    private var clientEvent: AvahiClientState?
    private var groupEvents: [AvahiEntryGroupState] = []
    private var retry = ContinuousClock.now
    /// When the TXT record alone may change again; everything else has no need to wait for that.
    private var nextText = ContinuousClock.now
    private var pause = Duration.seconds(1)
    private var established = 0

    /// A session on a poll loop, which must outlive it.
    init(poll: OpaquePointer, logger: Logger) {
        unsafe self.poll = poll
        self.logger = logger
    }

    deinit {
        // Freeing the client frees its groups; the daemon then says goodbye for them.
        if let client = unsafe client { unsafe avahi_client_free(client) }
    }

    /// Changes what is to be published.
    func set(_ wish: Wish) {
        if self.wish?.publication.name != wish.publication.name { name = wish.publication.name }
        self.wish = wish
    }

    /// The renaming since the last call, if there was one.
    func takeRenaming() -> (from: String, to: String)? {
        defer { renaming = nil }
        return renaming
    }

    /// Milliseconds until `settle` has something to do without an event; -1 for never.
    var patience: Int32 {
        guard unsafe client == nil || isRunning && wish != published?.wish else { return -1 }
        let due = isTextAlone ? max(retry, nextText) : retry
        return Int32(max(0, min(60_000, (due - .now).seconds * 1000 + 1)))
    }

    /// Whether what is published differs from what is wished in the TXT record only.
    private var isTextAlone: Bool {
        guard let published, let wish else { return false }
        return published.name == name && published.wish.differsOnlyInText(from: wish)
            && published.wish.publication.txt != wish.publication.txt
    }

    /// Acts on what has happened and on what is wished: connects, publishes, renames, starts anew.
    func settle() {
        if let event = clientEvent {
            clientEvent = nil
            follow(event)
        }
        let events = groupEvents
        groupEvents = []
        for event in events { follow(event) }
        if unsafe client == nil, retry <= .now { connect() }
        if isRunning { publish() }
    }

    private var isRunning: Bool {
        guard let client = unsafe client else { return false }
        return unsafe avahi_client_get_state(client) == AVAHI_CLIENT_S_RUNNING
    }

    private func connect() {
        var failure: Int32 = 0
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        unsafe client = avahi_client_new(
            avahi_simple_poll_get(poll), AVAHI_CLIENT_NO_FAIL,
            { client, state, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<AvahiSession>.fromOpaque(context).takeUnretainedValue().clientEvent = state
            }, context, &failure)
        if unsafe client == nil {
            wait("no mDNS responder: \(Self.text(failure))")
        } else if clientEvent == AVAHI_CLIENT_CONNECTING {
            report(.waiting("avahi-daemon is not running"))
        }
    }

    private func follow(_ event: AvahiClientState) {
        switch event {
        case AVAHI_CLIENT_S_RUNNING:
            pause = .seconds(1)
            // Also after a new host name: everything is published again.
            reset()
        case AVAHI_CLIENT_S_COLLISION, AVAHI_CLIENT_S_REGISTERING: reset()
        case AVAHI_CLIENT_CONNECTING: report(.waiting("avahi-daemon is not running"))
        default:
            // The daemon or the bus went away: the client is of no use any more.
            let reason = unsafe client.map { unsafe Self.text(avahi_client_errno($0)) } ?? "failed"
            if let client = unsafe client { unsafe avahi_client_free(client) }
            unsafe client = nil
            groups = [:]
            published = nil
            wait("the mDNS responder went away: \(reason)")
        }
    }

    private func follow(_ event: AvahiEntryGroupState) {
        switch event {
        case AVAHI_ENTRY_GROUP_ESTABLISHED:
            established += 1
            if established == groups.count, let published {
                report(.announced(published.wish.interfaces.values.sorted().joined(separator: ", ")))
            }
        case AVAHI_ENTRY_GROUP_COLLISION: rename()
        case AVAHI_ENTRY_GROUP_FAILURE:
            reset()
            wait("avahi-daemon can't publish the node")
        default: break
        }
    }

    private func rename() {
        guard let taken = name, let other = unsafe avahi_alternative_service_name(taken) else { return }
        defer { unsafe avahi_free(other) }
        let chosen = unsafe String(cString: other)
        logger.notice(
            "name is taken on this network",
            metadata: ["name": "\(taken.displayable())", "now": "\(chosen.displayable())"])
        renaming = (taken, chosen)
        name = chosen
        reset()
    }

    /// Withdraws everything; `publish` begins anew.
    private func reset() {
        for group in groups.values { unsafe avahi_entry_group_free(group.pointer) }
        groups = [:]
        published = nil
        established = 0
        groupEvents = []
    }

    /// Takes everything back. Where the same name ends on several interfaces, avahi 0.8 now and then says goodbye on one of
    /// them only; less often when they end one after the other.
    func withdraw() {
        var rest = groups.count
        for group in groups.values {
            unsafe avahi_entry_group_free(group.pointer)
            rest -= 1
            if rest > 0 { usleep(150_000) }
        }
        groups = [:]
        published = nil
    }

    private func publish() {
        guard let wish, let name, retry <= .now else { return }
        if let published, published.name == name, published.wish.differsOnlyInText(from: wish) {
            guard isTextAlone else { return self.published = (name, wish) }
            // The TXT record changes without probing again. Others hear of it at most every 5 s.
            guard nextText <= .now else { return }
            nextText = .now + .seconds(5)
            self.published = (name, wish)
            for (interface, group) in groups { update(group, interface, name, wish) }
            return
        }
        reset()
        published = (name, wish)
        if wish.interfaces.isEmpty { return report(.waiting("no network interface to announce on")) }
        for (interface, label) in wish.interfaces {
            let result = add(interface, name, wish)
            if result == Int32(cloudlet_avahi_collision) { return rename() }
            if result < 0 {
                reset()
                return wait("avahi-daemon refuses to publish on \(label): \(Self.text(result))")
            }
        }
    }

    /// Publishes on one interface; 0 or avahi's error.
    private func add(_ interface: Int32, _ name: String, _ wish: Wish) -> Int32 {
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        guard let client = unsafe client else { return -1 }
        let made = unsafe avahi_entry_group_new(
            client,
            { _, state, context in
                guard let context = unsafe context else { return }
                unsafe Unmanaged<AvahiSession>.fromOpaque(context).takeUnretainedValue().groupEvents.append(state)
            }, context)
        guard let group = unsafe made else { return unsafe avahi_client_errno(client) }
        groups[interface] = unsafe EntryGroup(pointer: group)
        let flags = AvahiPublishFlags(0)
        let any = Int32(cloudlet_avahi_protocol_any)
        for type in wish.types {
            let strings = unsafe Self.stringList(wish.publication.txt)
            defer { unsafe avahi_string_list_free(strings) }
            let result = unsafe avahi_entry_group_add_service_strlst(
                group, interface, any, flags, name, type, nil, nil, wish.publication.port, strings)
            guard result == 0 else { return result }
        }
        for subtype in wish.publication.subtypes {
            let result = unsafe avahi_entry_group_add_service_subtype(
                group, interface, any, flags, name, MDNSPublication.type, nil, subtype)
            guard result == 0 else { return result }
        }
        return unsafe avahi_entry_group_commit(group)
    }

    private func update(_ group: EntryGroup, _ interface: Int32, _ name: String, _ wish: Wish) {
        let strings = unsafe Self.stringList(wish.publication.txt)
        defer { unsafe avahi_string_list_free(strings) }
        for type in wish.types {
            let result = unsafe avahi_entry_group_update_service_txt_strlst(
                group.pointer, interface, Int32(cloudlet_avahi_protocol_any), AvahiPublishFlags(0), name, type, nil,
                strings)
            guard result != 0 else { continue }
            logger.warning("can't update the TXT record", metadata: ["reason": "\(Self.text(result))"])
        }
    }

    /// The strings as avahi takes them: its list grows at the front, and is written to the wire from the back.
    private static func stringList(_ strings: [String]) -> UnsafeMutablePointer<AvahiStringList>? {
        var list: UnsafeMutablePointer<AvahiStringList>?
        for string in strings {
            let bytes = Array(string.utf8)
            unsafe list = avahi_string_list_add_arbitrary(list, bytes, bytes.count)
        }
        return unsafe list
    }

    private func wait(_ reason: String) {
        report(.waiting(reason))
        retry = .now + pause
        pause = min(pause * 2, .seconds(10))
    }

    /// Says each change once.
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
    /// Whether it can't be announced now.
    var isWaiting: Bool { if case .waiting = self { true } else { false } }
}

/// What is published on one interface. The pointer is valid until the group or its client is freed.
@safe private struct EntryGroup {
    let pointer: OpaquePointer
}
