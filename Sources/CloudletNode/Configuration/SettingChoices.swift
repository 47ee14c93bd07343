import CloudletHypervisor

/// What answers SSDP searches.
package enum UPnPEngine: String, Sendable, CaseIterable {
    /// The node's own implementation.
    case native
    /// libupnp, in a process of its own.
    case libupnp
    /// Nothing.
    case off
}

/// What executes guest code.
package enum AcceleratorChoice: String, Sendable, CaseIterable {
    /// KVM where it works, else TCG.
    case auto
    /// The processor's virtualization.
    case kvm
    /// QEMU's translator.
    case tcg

    /// The accelerator, unless it is chosen automatically.
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
    /// None.
    case off
    /// The client's own address.
    case client
    /// Any.
    case any
}
