// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletMessagePack

/// A machine's figures, with the names and units of the original's GET_RESOURCE_INFO.
package struct NodeResources: Sendable, Hashable {
    /// CPU sockets.
    package var sockets = 1
    /// Cores in all sockets.
    package var cores = 1
    /// Threads per core.
    package var threadsPerCore = 1
    /// Processors that the system sees.
    package var processors = 1
    /// Clock in MHz.
    package var clockMHz = 0
    /// Memory in MiB.
    package var totalMemoryMiB = 0
    /// Share of processor time in use, percent.
    package var cpuUsagePercent = 0.0
    /// Available memory in MiB.
    package var freeMemoryMiB = 0

    /// A machine about which nothing is known.
    package init() {}
}

extension NodeResources {
    /// The payload of the answer to GET_RESOURCE_INFO, with the original's keys.
    var payload: MessagePackValue {
        .record(
            ("machine_number_socket", .unsigned(UInt64(sockets))), ("machine_number_cores", .unsigned(UInt64(cores))),
            ("machine_number_threads_per_cores", .unsigned(UInt64(threadsPerCore))),
            ("machine_cpu_num", .unsigned(UInt64(processors))),
            ("machine_cpu_clock_speed_mhz", .unsigned(UInt64(clockMHz))),
            ("machine_mem_total_mb", .unsigned(UInt64(totalMemoryMiB))),
            ("machine_total_cpu_usage_percent", .double(cpuUsagePercent)),
            ("machine_total_free_memory_mb", .unsigned(UInt64(freeMemoryMiB))))
    }
}
