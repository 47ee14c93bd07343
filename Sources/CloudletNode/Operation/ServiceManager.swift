// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Dispatch
import Glibc

/// Sends messages to the service manager that started the process (sd_notify(3), systemd.service(5) `Type=notify`).
/// Without a service manager, it does nothing.
package final class ServiceManager: Sendable {
    private let socket: LocalDatagram?
    /// How often the service manager expects a message, if it does.
    package let watchdogInterval: Duration?

    /// Finds the service manager in the environment.
    package init(environment: [String: String]) {
        socket = environment["NOTIFY_SOCKET"].flatMap { LocalDatagram(to: $0) }
        let isMeant = environment["WATCHDOG_PID"].map { $0 == String(getpid()) } ?? true
        let microseconds = environment["WATCHDOG_USEC"].flatMap { Int($0) } ?? 0
        watchdogInterval = isMeant && microseconds > 0 ? .microseconds(microseconds) : nil
    }

    /// Whether there is a service manager.
    package var isThere: Bool { socket != nil }

    private func send(_ lines: String..., waiting waits: Bool = true) {
        _ = socket?.send(Array(lines.joined(separator: "\n").utf8), waiting: waits)
    }

    /// Reports that the node is ready.
    package func ready(_ status: String) { send("READY=1", Self.status(status)) }
    /// Reports what the node is doing, in one line.
    package func status(_ text: String) { send(Self.status(text), waiting: false) }
    /// Reports that the node has begun to stop.
    package func stopping() { send("STOPPING=1", Self.status("stopping")) }
    /// Reports that the node reads its configuration again; ``ready(_:)`` reports the end.
    package func reloading() {
        // sd_notify(3) requires the time of CLOCK_MONOTONIC.
        send("RELOADING=1", "MONOTONIC_USEC=\(DispatchTime.now().uptimeNanoseconds / 1000)")
    }
    /// Reports to the watchdog that the node works.
    package func beat() { send("WATCHDOG=1", waiting: false) }

    private static func status(_ text: String) -> String {
        "STATUS=" + text.split(separator: "\n").joined(separator: " ")
    }
}
