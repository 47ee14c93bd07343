// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletSystem
import Testing

@testable import CloudletHypervisor

/// Guests on a host whose TSC runs faster or slower than where their state was saved.
@Suite struct TimekeepingTests {
    private func warning(_ source: String?, _ saved: Int, _ here: Int, isScaled: Bool = false) -> String? {
        GuestTimekeeping(clockSource: source, tscKilohertz: saved).warning(onHostWith: here, isScaled: isScaled)
    }

    @Test("a guest that counts the TSC, or may do so, is reported with the error of its clock")
    func wrongSpeed() {
        let slow = warning("tsc", 3_000_000, 2_400_000)
        #expect(slow?.contains("20.0 % too slow") == true && slow?.contains("2400 MHz here") == true, "\(slow ?? "")")
        #expect(warning("tsc-early", 2_000_000, 2_011_000)?.contains("0.6 % too fast") == true)
        #expect(warning(nil, 2_000_000, 3_000_000)?.contains("if the guest's clock counts") == true)
        var refresh = GuestRefresh.booted
        refresh.clockSpeed = slow
        #expect(refresh.warnings == slow.map { [$0] })
    }

    @Test("other clock sources, the same frequency, and a TSC that the processor scales are not reported")
    func rightSpeed() {
        for source in ["kvm-clock", "hpet", "acpi_pm"] { #expect(warning(source, 3_000_000, 2_000_000) == nil) }
        #expect(warning("tsc", 3_000_000, 3_001_000) == nil)
        #expect(warning("tsc", 3_000_000, 2_000_000, isScaled: true) == nil)
    }

    @Test("the frequency of this host's TSC is plausible")
    func measured() throws {
        let frequency = try #require(TimeStampCounter.kilohertz)
        #expect((500_000...10_000_000).contains(frequency))
    }
}
