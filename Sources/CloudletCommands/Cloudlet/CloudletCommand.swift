public import ArgumentParser

/// `cloudlet`: makes base VMs and overlays, and rebuilds VMs from them on this machine.
public struct CloudletCommand: AsyncParsableCommand {
    /// Name, purpose and subcommands.
    public static let configuration = CommandConfiguration(
        commandName: "cloudlet", abstract: "Make base VMs and VM overlays, and synthesize VMs from them.",
        version: ProgramVersion.text,
        subcommands: [
            BaseCommand.self, ListBaseCommand.self, AddBaseCommand.self, DelBaseCommand.self, OverlayCommand.self,
            InspectCommand.self, VerifyCommand.self, SynthesisCommand.self, ListVMCommand.self, StopVMCommand.self,
        ])

    /// Creates the command.
    public init() {}
}

/// The version of all programs.
enum ProgramVersion {
    static let text = "1.0.0"
}
