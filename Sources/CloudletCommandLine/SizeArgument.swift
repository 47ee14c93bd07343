// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCore

/// A number of bytes on the command line: `4M`, `512KiB`, `1GiB` or plain bytes, in powers of 1024.
package struct SizeArgument: ExpressibleByArgument {
    package let bytes: Int

    package init?(argument: String) {
        guard let size = ByteCount(argument, plainUnit: 1), size.bytes > 0 else { return nil }
        bytes = size.bytes
    }
}

/// The memory of a VM on the command line: MiB as a plain number, or a number with a unit, such as `512MiB` or `4GiB`.
package struct MemoryArgument: ExpressibleByArgument, CustomStringConvertible {
    package let mebibytes: Int

    package init(mebibytes: Int) { self.mebibytes = mebibytes }

    package init?(argument: String) {
        guard let size = ByteCount(argument, plainUnit: 1 << 20), size.bytes > 0, size.bytes % (1 << 20) == 0 else {
            return nil
        }
        mebibytes = size.bytes >> 20
    }

    package var description: String { mebibytes % 1024 == 0 ? "\(mebibytes / 1024)GiB" : "\(mebibytes)MiB" }
}
