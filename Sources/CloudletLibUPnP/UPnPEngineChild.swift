// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CUPnP
import CloudletCore
import CloudletDiscovery
import CloudletNetwork
import CloudletSystem
import Glibc
import Synchronization

/// The process in which libupnp runs: the node's own executable, started with a first argument that has no other use.
/// It has no privileges, offers no TCP port, receives packets of one LAN only, and ends when its standard input ends.
package enum UPnPEngineChild {
    /// The first argument that makes the executable this process.
    static let marker = "--upnp-engine-child"

    /// The device that the process announces, and where.
    struct Task: Equatable, Sendable {
        var interface: String
        var index: Int32
        var address: String
        var prefixLength: Int
        var location: String
        var maximumAge: Int
        var id: NodeID
        var synthesisPort: UInt16

        /// The task as command-line arguments.
        var arguments: [String] {
            [
                marker, interface, String(index), address, String(prefixLength), location, String(maximumAge),
                id.description, String(synthesisPort),
            ]
        }

        /// Reads the task from command-line arguments without the program's name.
        init?(_ arguments: [String]) {
            guard arguments.count == 9, arguments[0] == marker, let index = Int32(arguments[2]),
                IPAddress(arguments[3])?.isV4 == true, let length = Int(arguments[4]), 0...32 ~= length,
                let age = Int(arguments[6]), let id = NodeID(arguments[7]), let port = UInt16(arguments[8])
            else { return nil }
            (interface, self.index, address, prefixLength) = (arguments[1], index, arguments[3], length)
            (location, maximumAge) = (arguments[5], age)
            (self.id, synthesisPort) = (id, port)
        }

        /// Creates the task that announces `record` on an interface.
        init(
            _ record: NodeRecord, interface: NetworkInterface, address: InterfaceAddress, location: String,
            maximumAge: Int = 1800
        ) {
            id = record.id
            synthesisPort = record.synthesisPort
            self.interface = interface.name
            index = interface.index
            self.address = address.address.description
            prefixLength = address.prefixLength
            self.location = location
            self.maximumAge = maximumAge
        }
    }

    /// Runs libupnp's process and never returns, if the arguments ask for it. Must be called first in `main`.
    package static func runIfRequested(arguments: [String] = CommandLine.arguments) {
        let own = Array(arguments.dropFirst())
        guard own.first == marker else { return }
        guard let task = Task(own) else { exit(CloudletError.Code.usage.exitStatus) }
        do {
            try run(task)
            exit(0)
        } catch {
            say("failed \(error)")
            exit(error.code.exitStatus)
        }
    }

    private static func run(_ task: Task) throws(CloudletError) {
        guard cloudlet_drop_privileges() == 0 else { throw CloudletError(errno: errno, "can't drop privileges") }
        correctsMulticastInterface.store(true, ordering: .relaxed)
        // libupnp waits with select(2), which handles only descriptors below 1024.
        DescriptorLimit.lower(to: 1024)
        // libupnp causes SIGPIPE, which would end the process; SIGTERM is handled by the read below.
        signal(SIGPIPE, SIG_IGN)
        guard let address = IPAddress(task.address) else { return }
        let answering = UPnPDevice(
            NodeRecord(id: task.id, name: "", synthesisPort: task.synthesisPort, httpPort: 0))
        searchFilter.withLock { $0 = SearchFilter(device: answering, address: address) }
        filtersSearches.store(true, ordering: .relaxed)
        try start(task)
        try contain(task)
        var device: UpnpDevice_Handle = 0
        let registered = unsafe UpnpRegisterRootDevice(task.location, { _, _, _ in 0 }, nil, &device)
        try check(registered, "libupnp can't register \(task.location)")
        // This process accepts no subscriptions; the node's own server does that.
        try check(UpnpSetMaxSubscriptions(device, 0), "libupnp")
        // Call it only once: each call would start another timer that repeats the announcement forever.
        try check(UpnpSendAdvertisement(device, Int32(task.maximumAge)), "libupnp can't announce")
        say("ready")
        var byte: UInt8 = 0
        while true {
            let got = unsafe read(0, &byte, 1)
            if got == 0 || got < 0 && errno != EINTR { break }
        }
        UpnpUnRegisterRootDevice(device)
        UpnpFinish()
    }

    /// Starts libupnp on the interface. Its TCP port is closed a moment later, so any free port will do.
    private static func start(_ task: Task) throws(CloudletError) {
        var result: Int32 = 0
        for _ in 0..<10 {
            let port = UInt16.random(in: 61000...65535)
            if task.address.hasPrefix("127.") {
                result = unsafe cloudlet_upnp_start_on_loopback(task.address, port)
            } else {
                result = unsafe UpnpInit2(task.interface, port)
            }
            guard result == UPNP_E_SOCKET_BIND else { break }
        }
        if result == UPNP_E_INVALID_INTERFACE, task.address.hasPrefix("127.") {
            throw CloudletError(
                .unavailable, "this version of libupnp can't use the loopback interface \(task.interface)",
                advice: "use another interface, or run: cloudlet-node --upnp-engine native")
        }
        try check(result, "libupnp can't start on \(task.interface)")
    }

    /// Closes libupnp's TCP listeners, and restricts its SSDP socket to packets of this LAN.
    private static func contain(_ task: Task) throws(CloudletError) {
        guard case .v4(let address)? = IPAddress(task.address) else { return }
        let mask = task.prefixLength == 0 ? 0 : UInt32.max << UInt32(32 - task.prefixLength)
        for descriptor in Int32(3)..<64 {
            if cloudlet_is_listening(descriptor) != 0 {
                guard cloudlet_bury(descriptor) == 0 else {
                    throw CloudletError(errno: errno, "can't close libupnp's port")
                }
            }
            let family = cloudlet_udp_family(descriptor, 1900)
            guard family != 0 else { continue }
            // With a kernel too old for this option, the engine of another interface may get unicast searches.
            _ = unsafe cloudlet_bind_to_device(descriptor, task.interface)
            let isFiltered =
                family == AF_INET
                ? cloudlet_only_joined(descriptor) == 0
                    && cloudlet_filter_lan(descriptor, UInt32(task.index), address, mask) == 0
                : cloudlet_filter_all(descriptor) == 0
            guard isFiltered else { throw CloudletError(errno: errno, "can't confine libupnp to its network") }
        }
    }

    private static func check(_ result: Int32, _ message: String) throws(CloudletError) {
        guard result == Int32(cloudlet_upnp_success) else {
            throw CloudletError(.unavailable, "\(message): \(unsafe String(cString: UpnpGetErrorMessage(result)))")
        }
    }

    private static func say(_ line: String) {
        let bytes = Array((line + "\n").utf8)
        let count = bytes.count
        _ = unsafe write(1, bytes, count)
    }
}
