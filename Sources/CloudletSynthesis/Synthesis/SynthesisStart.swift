package import CloudletCore
package import CloudletHypervisor

/// How the guest of an overlay with a saved memory begins to run.
package enum SynthesisStart: Sendable {
    /// It is resumed.
    case resume
    /// It is resumed or, if the state can't be loaded here, boots from the rebuilt disk.
    case resumeOrBoot
    /// It boots from the rebuilt disk on this machine.
    case boot(SubstituteMachine)

    /// The start that a host allows.
    /// - Parameters:
    ///   - support: what the host can do with VMs of the base VM.
    ///   - allowsBoot: whether the client accepts a VM that was booted.
    /// - Throws: `CloudletError.unavailable` with the reason when the VM can't be resumed and must not or can't boot.
    package init(_ support: MachineSupport, allowingBoot allowsBoot: Bool) throws(CloudletError) {
        switch support {
        case .boots(let substitute) where allowsBoot: self = .boot(substitute)
        default:
            if let refusal = support.refusal { throw refusal }
            self = allowsBoot ? .resumeOrBoot : .resume
        }
    }

    /// The machine on which the VM boots; `nil` if its state is to be resumed.
    package var substitute: SubstituteMachine? { if case .boot(let substitute) = self { substitute } else { nil } }

    /// Whether the VM may boot although a state of it was saved.
    var allowsBoot: Bool { if case .resume = self { false } else { true } }
}
