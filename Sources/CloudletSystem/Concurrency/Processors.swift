// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// The processors of this machine.
package enum Processors {
    /// The number of processors online, at least two.
    package static let count = max(2, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
}
