// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import Logging

extension GuestRefreshTask {
    /// Logs what could not be done for a resumed guest. If its agent is slow, the client is not kept waiting for it.
    func report(to logger: Logger, _ metadata: Logger.Metadata) {
        if let result { return result.report(to: logger, metadata) }
        let begin = ContinuousClock.now
        // Not a child task: the session goes on meanwhile.
        Task {
            guard let result = await result(within: nil) else { return }
            let delay = (ContinuousClock.now - begin).shown
            logger.notice(
                "the guest agent is slow: the client learned that the VM runs before clock and random generator were dealt with",
                metadata: metadata.merging(["delay": "\(delay)"]) { $1 })
            result.report(to: logger, metadata)
        }
    }
}

extension GuestRefresh {
    fileprivate func report(to logger: Logger, _ metadata: Logger.Metadata) {
        for warning in warnings { logger.warning("\(warning)", metadata: metadata) }
    }
}
