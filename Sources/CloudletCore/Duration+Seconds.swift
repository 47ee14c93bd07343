// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Duration {
    /// The duration in seconds.
    package var seconds: Double {
        let (seconds, attoseconds) = components
        return Double(seconds) + Double(attoseconds) / 1e18
    }

    /// The duration in microseconds, without the fraction; at most as many as a number can hold, and 0 if negative.
    package var microseconds: Int {
        let (seconds, attoseconds) = components
        let (whole, overflows) = Int(seconds).multipliedReportingOverflow(by: 1_000_000)
        let (sum, exceeds) = whole.addingReportingOverflow(Int(attoseconds / 1_000_000_000_000))
        return overflows || exceeds ? (seconds < 0 ? 0 : .max) : max(0, sum)
    }

    /// Seconds with three decimals and the unit, as in `0.482 s`.
    package var shown: String {
        let milliseconds = Int((seconds * 1000).rounded())
        let fraction = String(1000 + milliseconds % 1000).dropFirst()
        return "\(milliseconds / 1000).\(fraction) s"
    }
}
