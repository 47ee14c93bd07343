// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CAvahi
import CloudletCore
import Glibc

/// Browses and resolves instances by the avahi-daemon of this host, as an independent check of the node. Used on one
/// thread only.
@safe final class AvahiBrowse {
    /// An instance as avahi resolved it.
    struct Resolved: Sendable {
        let host: String
        let port: UInt16
        let txt: [[UInt8]]
    }

    private let poll: OpaquePointer
    private let client: OpaquePointer
    /// The names that browsing has found.
    private var names: Set<String> = []
    private var resolved: Resolved?

    /// Connects to avahi-daemon.
    /// - Throws: `CloudletError.unavailable` when there is none on this host.
    init() throws(CloudletError) {
        guard let poll = unsafe avahi_simple_poll_new() else {
            throw CloudletError(.system, "can't create avahi's event loop")
        }
        var failure: Int32 = 0
        guard
            let client = unsafe avahi_client_new(
                avahi_simple_poll_get(poll), AvahiClientFlags(0), { _, _, _ in }, nil, &failure)
        else {
            unsafe avahi_simple_poll_free(poll)
            throw CloudletError(
                .unavailable, "no avahi-daemon on this host: \(unsafe String(cString: avahi_strerror(failure)))")
        }
        unsafe self.poll = poll
        unsafe self.client = client
    }

    deinit {
        // Frees browsers and resolvers as well.
        unsafe avahi_client_free(client)
        unsafe avahi_simple_poll_free(poll)
    }

    /// Browses a type until the instance is found or some seconds have passed.
    /// - Returns: the names of all instances found.
    /// - Throws: `CloudletError` when avahi refuses the type.
    func browse(_ type: String, for name: String, on interface: Int32, seconds: Double) throws(CloudletError) -> Set<
        String
    > {
        names = []
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        let made = unsafe avahi_service_browser_new(
            client, interface, Int32(cloudlet_avahi_protocol_ipv4), type, nil, AvahiLookupFlags(0),
            { _, _, _, event, name, _, _, _, context in
                guard let context = unsafe context, let name = unsafe name, event == AVAHI_BROWSER_NEW else { return }
                let browse = unsafe Unmanaged<AvahiBrowse>.fromOpaque(context).takeUnretainedValue()
                browse.names.insert(unsafe String(cString: name))
            }, context)
        guard let browser = unsafe made else { throw refusal("browse \(type)") }
        iterate(seconds) { names.contains(name) }
        unsafe avahi_service_browser_free(browser)
        return names
    }

    /// Resolves an instance; returns `nil` when avahi can't within some seconds.
    func resolve(_ name: String, _ type: String, on interface: Int32, seconds: Double) throws(CloudletError)
        -> Resolved?
    {
        resolved = nil
        let context = unsafe Unmanaged.passUnretained(self).toOpaque()
        let made = unsafe avahi_service_resolver_new(
            client, interface, Int32(cloudlet_avahi_protocol_ipv4), name, type, "local",
            Int32(cloudlet_avahi_protocol_ipv4), AvahiLookupFlags(0),
            { _, _, _, event, _, _, _, host, _, port, strings, _, context in
                guard let context = unsafe context, let host = unsafe host, event == AVAHI_RESOLVER_FOUND else {
                    return
                }
                let browse = unsafe Unmanaged<AvahiBrowse>.fromOpaque(context).takeUnretainedValue()
                browse.resolved = Resolved(
                    host: unsafe String(cString: host), port: port, txt: unsafe AvahiBrowse.strings(strings))
            }, context)
        guard let resolver = unsafe made else { throw refusal("resolve \(name.displayable())") }
        iterate(seconds) { resolved != nil }
        unsafe avahi_service_resolver_free(resolver)
        return resolved
    }

    private func iterate(_ seconds: Double, until isDone: () -> Bool) {
        let end = ContinuousClock.now + .seconds(seconds)
        while !isDone(), ContinuousClock.now < end {
            let rest = (end - .now).seconds * 1000
            guard unsafe avahi_simple_poll_iterate(poll, Int32(max(1, rest))) == 0 else { return }
        }
    }

    private func refusal(_ what: String) -> CloudletError {
        let reason = unsafe String(cString: avahi_strerror(avahi_client_errno(client)))
        return CloudletError(.protocolViolation, "avahi refuses to \(what): \(reason)")
    }

    /// The strings in wire order; avahi's list begins with the last one.
    private static func strings(_ list: UnsafeMutablePointer<AvahiStringList>?) -> [[UInt8]] {
        var result: [[UInt8]] = []
        var next = unsafe list
        while let entry = unsafe next {
            let text = unsafe UnsafeBufferPointer(
                start: avahi_string_list_get_text(entry), count: avahi_string_list_get_size(entry))
            result.append(unsafe Array(text))
            unsafe next = avahi_string_list_get_next(entry)
        }
        return result.reversed()
    }
}
