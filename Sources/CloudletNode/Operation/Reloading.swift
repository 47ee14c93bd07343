// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Logging
import ServiceLifecycle
import UnixSignals

/// Reads the configuration again at each SIGHUP, and applies the reloadable settings. The log reports what has changed,
/// and what needs a restart. If the new configuration is not valid, the current one stays in use.
struct Reloading: Service {
    let signals: UnixSignalsSequence
    let configuration: CurrentValue<NodeConfiguration>
    let read: NodeConfiguration.Reload
    let manager: ServiceManager
    let health: Health
    let logger: Logger

    func run() async throws {
        for await _ in signals.cancelOnGracefulShutdown() {
            manager.reloading()
            do throws(CloudletError) {
                take(try await read())
            } catch {
                logger.error(
                    "the configuration is not valid, the current one stays in use", metadata: ["reason": "\(error)"])
            }
            manager.ready(health.reasons.isEmpty ? "ready" : "not ready")
        }
    }

    private func take(_ next: NodeConfiguration) {
        let current = configuration.value
        let reloaded = current.reloaded(from: next)
        for key in reloaded.keysChanged(in: next) {
            logger.warning("this setting needs a restart", metadata: ["setting": "\(key)"])
        }
        let changed = current.keysChanged(in: reloaded)
        configuration.set(reloaded)
        logger.notice(
            "configuration read again",
            metadata: ["changed": "\(changed.isEmpty ? "nothing" : changed.joined(separator: ", "))"])
    }
}
