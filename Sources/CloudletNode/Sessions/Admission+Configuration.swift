// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Admission.Policy {
    /// Reads the configured limits.
    init(_ configuration: NodeConfiguration) {
        machines = configuration.maximumVMs
        perClient = configuration.sessionsPerClient
        queue = configuration.queueLength
        queueTimeout = configuration.queueTimeout
        memoryReserve = configuration.memoryReserve
        diskReserve = configuration.diskReserve
    }
}
