import CloudletSystem
import Dispatch
import Glibc

/// Sends messages to the service manager that started the process (sd_notify(3), systemd.service(5) `Type=notify`); does
/// nothing when there is none.
package final class ServiceManager: Sendable {
    private let socket: LocalDatagram?
    /// How often the manager wants to hear from the process, if at all.
    package let watchdogInterval: Duration?

    /// The manager named in the environment.
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

    /// The node is up.
    package func ready(_ status: String) { send("READY=1", Self.status(status)) }
    /// What the node is doing, one line.
    package func status(_ text: String) { send(Self.status(text), waiting: false) }
    /// The node has begun to end.
    package func stopping() { send("STOPPING=1", Self.status("stopping")) }
    /// The node reads its configuration again; ``ready(_:)`` ends this.
    package func reloading() {
        // CLOCK_MONOTONIC, as sd_notify(3) asks for.
        send("RELOADING=1", "MONOTONIC_USEC=\(DispatchTime.now().uptimeNanoseconds / 1000)")
    }
    /// The node works.
    package func beat() { send("WATCHDOG=1", waiting: false) }

    private static func status(_ text: String) -> String {
        "STATUS=" + text.split(separator: "\n").joined(separator: " ")
    }
}
