// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSession
import CloudletSystem
import ServiceLifecycle

/// Reports to the service manager that the node is ready, what it does, that it works, and that it stops.
///
/// Watchdog messages are sent only as long as the rounds of ``Health`` come to an end. If the sessions, the registry or
/// libvirt no longer answer, the messages stop, and the service manager restarts the node.
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
            await cancelWhenGracefulShutdown {
                await withTaskExecutorPreference(Health.threads) { await report() }
            }
        } onGracefulShutdown: { [manager] in
            manager.stopping()
        }
    }

    private func report() async {
        await health.firstRound.wait()
        guard !Task.isCancelled else { return }
        var lastReported = await status()
        manager.ready(lastReported)
        let pause = min(manager.watchdogInterval.map { $0 / 3 } ?? .seconds(2), .seconds(2))
        while !Task.isCancelled {
            if health.isAlive {
                let text = await status()
                if text != lastReported { manager.status(text) }
                lastReported = text
                if manager.watchdogInterval != nil { manager.beat() }
            }
            await promptSleep(for: pause)
        }
    }

    private func status() async -> String {
        let live = await sessions()
        let running = live.count { $0.stage == .running }
        let reasons = health.reasons
        let state = reasons.isEmpty ? "ready" : "not ready (\(reasons.joined(separator: "; ")))"
        let counts = "\(live.count) sessions, \(running) VMs"
        return ([state, counts] + health.warnings.map { "warning: \($0)" }).joined(separator: "; ")
    }
}
