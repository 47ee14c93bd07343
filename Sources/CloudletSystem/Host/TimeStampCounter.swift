// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux

/// The processor's time stamp counter (TSC).
package enum TimeStampCounter {
    /// Its frequency on this host in kHz, measured at the first use; `nil` if there is no such counter.
    package static let kilohertz: Int? = {
        let measured = cloudlet_tsc_khz()
        return measured > 0 ? Int(measured) : nil
    }()
}
