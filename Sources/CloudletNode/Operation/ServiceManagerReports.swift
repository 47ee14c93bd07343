import CloudletCore
import CloudletSession
import CloudletSystem
import ServiceLifecycle

/// Tells the service manager when the node is ready, what it does, that it is well and that it ends.
///
/// Beats go out only as long as ``Health`` comes round: when the sessions, the registry or libvirt no longer answer, they
/// stop, and the manager starts the node anew.
struct ServiceManagerReports: Service {
    let manager: ServiceManager
    let health: Health
    let sessions: @Sendable () async -> [SessionStatus]

    func run() async throws {
        guard manager.isThere else {
            try await gracefulShutdown()
            return
        }
        await withGracefulShutdownHandler {
            await withTaskExecutorPreference(Health.threads) { await report() }
        } onGracefulShutdown: { [manager] in
            manager.stopping()
        }
    }

    private func report() async {
        var isReady = false
        var told = ""
        let pause = min(manager.watchdogInterval.map { $0 / 3 } ?? .seconds(2), .seconds(2))
        while !Task.isCancelled, !Task.isShuttingDownGracefully {
            if health.isAlive {
                let text = await status()
                if !isReady, health.hasBegun {
                    manager.ready(text)
                    (isReady, told) = (true, text)
                } else if isReady, text != told {
                    manager.status(text)
                    told = text
                }
                if manager.watchdogInterval != nil { manager.beat() }
            }
            // The first round of checks takes a moment only.
            let next = isReady ? pause : .milliseconds(50)
            await promptSleep(for: next)
        }
    }

    private func status() async -> String {
        let live = await sessions()
        let running = live.count { $0.stage == .running }
        let reasons = health.reasons
        let state = reasons.isEmpty ? "ready" : "not ready (\(reasons.joined(separator: "; ")))"
        return "\(state); \(live.count) sessions, \(running) VMs"
    }
}
