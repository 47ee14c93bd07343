// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// What a host can do with the saved VMs of some machine.
package enum MachineSupport: Sendable {
    /// Their states can be resumed.
    case resumes
    /// Their states can't be resumed, but their disks can be booted on a similar machine.
    case boots(SubstituteMachine)
    /// Neither is possible, for this reason.
    case refused(CloudletError)

    /// The error for those who need a VM to be resumed; `nil` if it can be resumed.
    package var refusal: CloudletError? {
        switch self {
        case .resumes: return nil
        case .refused(let error): return error
        case .boots(let substitute):
            // Clients that can't allow it receive this too, so it names the program that can.
            return substitute.reason.advising(or: "let the VM boot from its disk with 'cloudlet-find --allow-boot'")
        }
    }
}

/// A machine of this host on which a disk is booted, because the state saved with the disk can't be resumed here.
package struct SubstituteMachine: Sendable {
    /// The machine: the one with which the state was saved, as far as this host has it.
    package let machine: MachineDescription
    /// Why the state can't be resumed here.
    package let reason: CloudletError

    /// Combines both.
    package init(machine: MachineDescription, reason: CloudletError) {
        self.machine = machine
        self.reason = reason
    }
}

extension MachineDescription {
    /// How this machine differs from the one with which a state was saved, one clause for each difference.
    package func differences(from saved: MachineDescription) -> [String] {
        var list: [String] = []
        func compare(_ name: String, _ own: String, _ other: String) {
            if own != other { list.append("the \(name) is \(own) instead of \(other)") }
        }
        compare("accelerator", accelerator.rawValue, saved.accelerator.rawValue)
        compare("machine type", machineType, saved.machineType)
        compare("CPU model", cpuModel, saved.cpuModel)
        return list
    }

    /// The name that stands for the newest machine type of the same family as another one, on any host: `q35` for
    /// `pc-q35-10.0`.
    /// - Returns: the name; `nil` for machine types of other families.
    static func newestType(inFamilyOf name: String) -> String? {
        ["pc-i440fx-": "pc", "pc-q35-": "q35"].first { name.hasPrefix($0.key) }?.value
    }
}
