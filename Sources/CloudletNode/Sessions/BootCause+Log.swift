// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSynthesis
import Logging

extension BootCause {
    /// Logs that a VM was booted.
    func log(to logger: Logger, _ metadata: Logger.Metadata) {
        var metadata = metadata
        metadata["reason"] = "\(error.localReason)"
        if !differences.isEmpty { metadata["differences"] = "\(differences.joined(separator: "; "))" }
        metadata["answered"] = "\(applicationAnswered)"
        logger.warning("\(BootReport.summary)", metadata: metadata)
    }
}
