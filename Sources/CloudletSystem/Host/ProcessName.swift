// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CLinux

/// The name of this process, which other programs show, for example for the program that uses a port.
package enum ProcessName {
    /// Sets the name. Must be called on the main thread. Only the first 15 bytes are used (prctl(2), PR_SET_NAME).
    package static func set(_ name: String) { unsafe cloudlet_name_process(name) }
}
