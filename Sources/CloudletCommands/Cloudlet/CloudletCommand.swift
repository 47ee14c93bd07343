// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import ArgumentParser
import CloudletCore

/// `cloudlet`: makes base VMs and overlays, and rebuilds VMs from them on this machine.
package struct CloudletCommand: AsyncParsableCommand {
    /// Name, purpose and subcommands.
    package static let configuration = CommandConfiguration(
        commandName: "cloudlet", abstract: "Make base VMs and VM overlays, and synthesize VMs from them.",
        version: ProgramVersion.text,
        subcommands: [
            BaseCommand.self, ListBaseCommand.self, AddBaseCommand.self, DelBaseCommand.self, OverlayCommand.self,
            InspectCommand.self, VerifyCommand.self, SynthesisCommand.self, ListVMCommand.self, StopVMCommand.self,
            ListSessionCommand.self, StopSessionCommand.self, ConfigCommand.self, DoctorCommand.self,
        ])

    /// Creates the command.
    package init() {}
}
