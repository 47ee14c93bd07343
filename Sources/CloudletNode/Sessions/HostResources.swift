// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSession
import CloudletSystem
import Foundation
import Synchronization
import SystemPackage

/// The resources of the machine, from /proc.
enum HostResources {
    /// The figures, at most a second old however often they are requested. Processor use covers the time since the
    /// previous reading; the first one covers the time since boot.
    static func current() -> NodeResources { cache.value }

    private static let cache = Cached(for: .seconds(1)) { read() }

    private static func read() -> NodeResources {
        var resources = NodeResources()
        let processors = text("/proc/cpuinfo").split(separator: "\n\n", omittingEmptySubsequences: true)
        func field(_ name: String, _ block: Substring) -> Substring? {
            block.split(separator: "\n").first { $0.hasPrefix(name) }?.split(separator: ":").last
                .map { $0.drop { $0 == " " } }
        }
        resources.processors = max(1, processors.count)
        resources.sockets = max(1, Set(processors.compactMap { field("physical id", $0) }).count)
        let coresEach = processors.first.flatMap { field("cpu cores", $0) }.flatMap { UInt16($0) } ?? 1
        resources.cores = Int(coresEach) * resources.sockets
        resources.threadsPerCore = max(1, resources.processors / max(1, resources.cores))
        let clock = processors.first.flatMap { field("cpu MHz", $0) }.flatMap { Double($0) }
        resources.clockMHz = clock.flatMap { Int(exactly: $0.rounded()) } ?? 0
        let memory = MemoryFigures.current()
        resources.totalMemoryMiB = memory.total >> 20
        resources.freeMemoryMiB = memory.available >> 20
        resources.cpuUsagePercent = ProcessorUse.shared.sinceLast(text("/proc/stat"))
        return resources
    }

    /// The resources for VMs. Each VM has a directory of its own in `scratch`.
    static func figures(scratch: FilePath) -> Admission.Figures {
        let memory = MemoryFigures.current()
        let space = space(of: scratch)
        return Admission.Figures(
            memory: memory.total, freeMemory: memory.available, freeDisk: space?.free ?? .max >> 1,
            disk: space?.total ?? .max >> 1, disposableDisk: allocated(below: scratch),
            diskIsMemory: space?.isMemory ?? false)
    }

    /// The space for scratch files. The directory may not exist yet, because the first VM creates it.
    static func space(of scratch: FilePath) -> FileSystemSpace? {
        (try? FileSystemSpace(at: scratch)) ?? (try? FileSystemSpace(at: scratch.removingLastComponent()))
    }

    /// The disk space of all VMs' files, in bytes.
    private static func allocated(below scratch: FilePath) -> Int {
        ((try? Directory.names(in: scratch)) ?? []).reduce(0) { sum, vm in
            let directory = scratch.appending(vm)
            return ((try? Directory.names(in: directory)) ?? []).reduce(sum) {
                $0 + ((try? FileStatus.of(directory.appending($1)))?.allocated ?? 0)
            }
        }
    }

    private static func text(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }
}

/// Remembers the processor's counters from the previous reading.
private final class ProcessorUse: Sendable {
    static let shared = ProcessorUse()
    private let last = Mutex((busy: 0.0, total: 0.0))

    func sinceLast(_ stat: String) -> Double {
        let line = stat.split(separator: "\n").first ?? ""
        let ticks = line.split(separator: " ").dropFirst().compactMap { Double($0) }
        guard ticks.count >= 5 else { return 0 }
        let total = ticks.reduce(0, +)
        let busy = total - ticks[3] - ticks[4]
        return last.withLock { last in
            defer { last = (busy, total) }
            let span = total - last.total
            return span > 0 ? min(100, max(0, (busy - last.busy) / span * 100)) : 0
        }
    }
}
