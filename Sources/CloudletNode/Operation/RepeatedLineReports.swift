// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import AsyncAlgorithms
import ServiceLifecycle

/// Regularly logs how many repeated lines were not written.
struct RepeatedLineReports: Service {
    let logs: LogOutput

    func run() async throws {
        let times = AsyncTimerSequence(interval: .seconds(20), clock: .continuous)
        for await _ in times.cancelOnGracefulShutdown() { logs.reportRepeated() }
    }
}
