import CloudletCore
import Logging
import ServiceLifecycle
import UnixSignals

/// Reads the configuration again at each SIGHUP. What may change while the node runs is taken over; for the rest the log
/// says that it needs a restart. A configuration that is wrong is told, and the one in force stays.
struct Reloading: Service {
    let signals: UnixSignalsSequence
    let first: NodeConfiguration
    let read: @Sendable () async throws(CloudletError) -> NodeConfiguration
    let manager: ServiceManager
    let health: Health
    let logger: Logger
    let apply: @Sendable (NodeConfiguration) -> Void

    func run() async throws {
        var current = first
        for await _ in signals.cancelOnGracefulShutdown() {
            manager.reloading()
            do throws(CloudletError) {
                let next = try await read()
                tell(from: current, to: next)
                apply(next)
                current = next
            } catch {
                logger.error(
                    "the configuration is wrong, the one in force stays", metadata: ["reason": "\(error)"])
            }
            manager.ready(health.reasons.isEmpty ? "ready" : "not ready")
        }
    }

    private func tell(from old: NodeConfiguration, to new: NodeConfiguration) {
        // What was refused a change before is compared with what the node was started with.
        let started = Dictionary(uniqueKeysWithValues: first.entries.map { ($0.setting, $0.text) })
        let before = Dictionary(uniqueKeysWithValues: old.entries.map { ($0.setting, $0.text) })
        var changed: [String] = []
        for entry in new.entries {
            if Setting.changeable.contains(entry.setting) {
                if before[entry.setting] != entry.text { changed.append(entry.setting.key) }
            } else if started[entry.setting] != entry.text {
                logger.warning("this setting needs a restart", metadata: ["setting": "\(entry.setting.key)"])
            }
        }
        logger.notice(
            "configuration read again",
            metadata: ["changed": "\(changed.isEmpty ? "nothing" : changed.joined(separator: ", "))"])
    }
}
