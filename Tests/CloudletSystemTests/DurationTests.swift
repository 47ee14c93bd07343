// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Testing

@Suite struct DurationTests {
    @Test(
        "a duration in microseconds is whole, not negative, and not too large",
        arguments: [
            (Duration.zero, 0), (.milliseconds(250), 250_000), (.milliseconds(1500), 1_500_000),
            (.nanoseconds(1999), 1), (.seconds(-1), 0), (.seconds(Int64.max), .max), (.seconds(-Int64.max), 0),
        ])
    func microseconds(duration: Duration, count: Int) {
        #expect(duration.microseconds == count)
    }
}
