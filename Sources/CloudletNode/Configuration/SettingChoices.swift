// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletHypervisor

/// The implementation that answers SSDP searches.
package enum UPnPEngine: String, Sendable, CaseIterable {
    /// The node's own implementation.
    case native
    /// libupnp, in a process of its own.
    case libupnp
    /// SSDP searches are not answered.
    case off
}

/// The accelerator that executes guest code.
package enum AcceleratorChoice: String, Sendable, CaseIterable {
    /// KVM if it works, otherwise TCG.
    case auto
    /// The processor's virtualization.
    case kvm
    /// QEMU's translator.
    case tcg

    /// The chosen accelerator; `nil` if it is chosen automatically.
    var fixed: MachineDescription.Accelerator? {
        switch self {
        case .auto: nil
        case .kvm: .kvm
        case .tcg: .tcg
        }
    }
}

/// The hosts from which overlays are fetched when a client names a URL.
package enum OverlayURLPolicy: String, Sendable, CaseIterable {
    /// No host.
    case off
    /// The client's own address only.
    case client
    /// Any host.
    case any
}
