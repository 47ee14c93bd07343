// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletSynthesis

extension ProgressLine {
    /// Shows how far a job on a base VM or an overlay has come.
    static func show(_ progress: WorkProgress) {
        switch progress {
        case .decompressing(let part): show("decompress", part)
        case .converting(let part): show("convert", part)
        case .copying(let part): show("copy", part)
        case .cloudInit: show("cloud-init")
        case .booting: show("boot")
        case .awaitingAgent: show("wait for the guest agent")
        case .savingMemory: show("save memory")
        case .hashing: show("hash base VM")
        case .comparing(let part): show("compare", part)
        case .compressing(let part): show("compress", part)
        case .packaging(let part): show("package", part)
        case .reading(let part): show("read", part)
        case .verifying(let part): show("verify", part)
        }
    }
}
