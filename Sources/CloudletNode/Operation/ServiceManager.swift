import CloudletSystem
import Dispatch
import Glibc

/// The line to the service manager that started the process (sd_notify(3), systemd.service(5) `Type=notify`); silent
/// when there is none.
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

    /// Whether somebody listens.
    package var isThere: Bool { socket != nil }

    private func tell(_ lines: String..., patiently: Bool = true) {
        _ = socket?.send(Array(lines.joined(separator: "\n").utf8), waiting: patiently)
    }

    /// The node is up.
    package func ready(_ status: String) { tell("READY=1", Self.status(status)) }
    /// What the node is doing, one line.
    package func status(_ text: String) { tell(Self.status(text), patiently: false) }
    /// The node has begun to end.
    package func stopping() { tell("STOPPING=1", Self.status("stopping")) }
    /// The node reads its configuration again; ``ready(_:)`` ends this.
    package func reloading() {
        // CLOCK_MONOTONIC, as sd_notify(3) asks for.
        tell("RELOADING=1", "MONOTONIC_USEC=\(DispatchTime.now().uptimeNanoseconds / 1000)")
    }
    /// The node is well.
    package func beat() { tell("WATCHDOG=1", patiently: false) }

    private static func status(_ text: String) -> String {
        "STATUS=" + text.split(separator: "\n").joined(separator: " ")
    }
}
