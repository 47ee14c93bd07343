// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// With what a guest measures time, and how fast that ran on the host where the guest's state was saved. It is stored
/// with the state. A clock that counts the processor's TSC is wrong on a host whose TSC has another frequency. Linux
/// guests under KVM use kvm-clock, which takes the host's frequency into account.
package struct GuestTimekeeping: Hashable, Sendable {
    /// The clock source of a Linux guest (`current_clocksource`), such as `kvm-clock` or `tsc`; `nil` if unknown.
    package var clockSource: String?
    /// The frequency of the host's TSC in kHz.
    package var tscKilohertz: Int

    /// Combines both.
    package init(clockSource: String?, tscKilohertz: Int) {
        self.clockSource = clockSource
        self.tscKilohertz = tscKilohertz
    }

    /// A difference up to one thousandth is accepted: the frequencies are measured, and clocks of guests drift anyway.
    private static let tolerance = 0.001

    /// Compares the frequency with that of another host.
    /// - Parameters:
    ///   - kilohertz: the frequency of that host's TSC.
    ///   - isScaled: whether the guest sees its former frequency, because the processor scales its TSC.
    /// - Returns: why the guest's clock runs at a wrong speed there; `nil` if it does not.
    func warning(onHostWith kilohertz: Int, isScaled: Bool) -> String? {
        let ratio = Double(kilohertz) / Double(tscKilohertz)
        guard abs(ratio - 1) > Self.tolerance, !isScaled, clockSource.map({ $0.hasPrefix("tsc") }) ?? true else {
            return nil
        }
        let tenths = Int((abs(ratio - 1) * 1000).rounded())
        let subject =
            clockSource == nil
            ? "if the guest's clock counts the processor's TSC (its clock source is not known), it runs"
            : "the guest's clock counts the processor's TSC, so it runs"
        return "\(subject) \(tenths / 10).\(tenths % 10) % too \(ratio > 1 ? "fast" : "slow"): the TSC has "
            + "\(kilohertz / 1000) MHz here, and had \(tscKilohertz / 1000) MHz where the state was saved"
    }
}
