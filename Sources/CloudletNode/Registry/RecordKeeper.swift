// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import CloudletCore
import CloudletDiscovery
import CloudletSession
import CloudletStore
import CloudletSystem
import Foundation
import Logging
import ServiceLifecycle

/// Keeps the node's record up to date: base VMs in the registry, load, memory, sessions.
struct RecordKeeper: Service {
    let record: CurrentValue<NodeRecord>
    let registry: NodeRegistry
    let support: BaseSupport
    let table: SessionTable
    let logger: Logger

    private static let interval = Duration.seconds(2)

    func run() async throws {
        var complained = false
        let times = AsyncTimerSequence(interval: Self.interval, clock: .continuous)
        for await _ in times.cancelOnGracefulShutdown() {
            do {
                let bases = await support.announced(try await registry.bases())
                let sessions = await table.statuses().filter { $0.stage != .created }.count
                record.update { record in
                    (record.bases, record.bootableBases) = (bases.resumable, bases.bootable)
                    record.sessions = sessions
                    record.load = Self.load()
                    record.freeMemory = Self.roundedFreeMemory()
                }
                complained = false
            } catch {
                if !complained { logger.error("the registry can't be read", metadata: ["reason": "\(error)"]) }
                complained = true
            }
        }
    }

    /// The load average per processor over the last minute, rounded to tenths, because small changes should not cause
    /// announcements.
    static func load() -> Double {
        let text = (try? String(contentsOfFile: "/proc/loadavg", encoding: .utf8)) ?? ""
        let tasks = text.split(separator: " ").first.flatMap { Double($0) } ?? 0
        return (tasks / Double(max(1, ProcessInfo.processInfo.activeProcessorCount)) * 10).rounded() / 10
    }

    /// The available memory in steps of 256 MiB, for the same reason.
    static func roundedFreeMemory() -> ByteCount {
        ByteCount((MemoryFigures.current().available >> 28) << 28)
    }
}
