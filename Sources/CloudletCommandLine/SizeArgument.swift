// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// A number of bytes on the command line: `4M`, `512KiB`, `1GiB` or plain bytes, in powers of 1024.
package struct SizeArgument: ExpressibleByArgument {
    package let bytes: Int

    package init?(argument: String) {
        guard let bytes = Self.bytes(argument, plainUnit: 1) else { return nil }
        self.bytes = bytes
    }

    /// Reads a positive number with a unit; a plain number counts in `plainUnit`.
    fileprivate static func bytes(_ text: String, plainUnit: Int) -> Int? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        let units = [
            "": plainUnit, "k": 1 << 10, "kib": 1 << 10, "m": 1 << 20, "mib": 1 << 20, "g": 1 << 30, "gib": 1 << 30,
        ]
        guard let number = Int(digits), number > 0, let unit = units[text.dropFirst(digits.count).lowercased()] else {
            return nil
        }
        let (bytes, overflow) = number.multipliedReportingOverflow(by: unit)
        return overflow ? nil : bytes
    }
}

/// The memory of a VM on the command line: MiB as a plain number, or a number with a unit, such as `512MiB` or `4GiB`.
package struct MemoryArgument: ExpressibleByArgument, CustomStringConvertible {
    package let mebibytes: Int

    package init(mebibytes: Int) { self.mebibytes = mebibytes }

    package init?(argument: String) {
        guard let bytes = SizeArgument.bytes(argument, plainUnit: 1 << 20), bytes % (1 << 20) == 0 else { return nil }
        mebibytes = bytes >> 20
    }

    package var description: String { String(mebibytes) }
}
