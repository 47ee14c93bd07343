// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
package import CloudletHypervisor

/// How the guest of an overlay begins to run. That of an overlay without memory boots in any case.
package enum SynthesisStart: Sendable {
    /// It is resumed.
    case resume
    /// It is resumed or, if the state can't be loaded here, boots from the rebuilt disk.
    case resumeOrBoot
    /// It boots from the rebuilt disk, on another machine than the base VM's.
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

    /// Whether the VM may boot instead of running as it was saved.
    package var allowsBoot: Bool { if case .resume = self { false } else { true } }
}
