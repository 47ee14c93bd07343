// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletForwarding
import CloudletLibUPnP

/// The processes that a program starts from its own executable.
package enum ChildProcesses {
    /// If the program was started as one of these processes, does that process's work and does not return. Must run
    /// before anything else.
    package static func runIfRequested() {
        UPnPEngineChild.runIfRequested()
        RelayChild.runIfRequested()
    }
}
