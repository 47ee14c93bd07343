import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletSynthesis
import CloudletSystem
import SystemPackage

/// Options of the closing step. It runs in the guest right before its state is saved, and frees what need not be saved.
struct ClosingStepOptions: ParsableArguments {
    @Option(
        name: .customLong("ssh-key"),
        help: "Private SSH key for the guest, to run the closing step (sync, fstrim, drop caches) in it.",
        completion: .file())
    var sshKey: String?

    @Option(name: .customLong("ssh-user"), help: "User for --ssh-key; needs the permissions for the closing step.")
    var sshUser = "root"

    @Option(
        name: .customLong("closing-step"),
        help:
            "Program on this host to run as the closing step; its environment has the same variables as that of --provision.",
        completion: .file())
    var program: String?

    @Flag(name: .customLong("no-closing-step"), help: "Save the VM without a closing step.")
    var isOff = false

    func validate() throws {
        if isOff, sshKey != nil || program != nil {
            throw ValidationError("--no-closing-step contradicts --ssh-key and --closing-step")
        }
    }
}

/// Frees in the guest what an overlay need not contain: dirty pages are written to the disk, unused blocks are
/// discarded, cached file pages are dropped, and free pages are reported, which makes them holes in the memory file.
struct ClosingStep: Sendable {
    private let command: [String]?
    /// The private key as an open file, because ssh expands parts of file names, such as `%h` and `${HOME}`.
    private let key: File?

    /// The script that runs in the guest. Its first lines let the guest report single free pages; missing files are
    /// ignored.
    static let script = """
        order=/sys/module/page_reporting/parameters/page_reporting_order
        if [ -w $order ]; then echo 0 > $order; fi
        sync
        fstrim -a
        fstrim /
        sync
        echo 3 > /proc/sys/vm/drop_caches
        """

    /// Determines how the step is run.
    init(_ options: ClosingStepOptions) throws(CloudletError) {
        key = try options.sshKey.map { (path) throws(CloudletError) in
            try ExistingFile.require(path)
            return try File(FilePath(path), .read)
        }
        let program = options.program ?? (options.sshKey == nil ? nil : "ssh")
        if !options.isOff, let program, !ChildProgram.isInstalled(program) {
            throw CloudletError(
                .notFound, "the closing step's program \(program.displayable()) can't be run",
                advice: options.program == nil
                    ? "install the package openssh-client" : "name an existing program, and make it executable")
        }
        if options.isOff {
            command = nil
        } else if let program = options.program {
            command = [program]
        } else if let key {
            // The settings make ssh ignore the user's SSH configuration and leave no files behind.
            let settings = [
                "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=no",
                "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null", "LogLevel=ERROR",
                "ConnectTimeout=20", "ServerAliveInterval=5", "ServerAliveCountMax=6",
            ]
            command =
                ["ssh", "-F", "none", "-T", "-i", key.descriptorPath.string] + settings.flatMap { ["-o", $0] } + [
                    "-p", Self.portPlace, "\(options.sshUser)@127.0.0.1",
                    "exec >/dev/null 2>&1\n\(Self.script)\nexit 0",
                ]
        } else {
            command = nil
            Console.note(
                "No closing step will run, because neither --ssh-key nor --closing-step is given. For a smaller overlay, run "
                    + "these commands in the VM before the work in it is done:\n"
                    + Self.script.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n") + "\n  sleep 3")
        }
        needsSSH = command?.contains(Self.portPlace) == true
    }

    /// Whether the step connects to the guest's SSH server.
    let needsSSH: Bool

    private static let portPlace = "SSH-PORT"

    /// Runs the step and waits until the guest has returned its free memory. A step that fails or is interrupted only
    /// makes the overlay larger; the work in the VM is not lost.
    func run(
        _ running: RunningVM, times: StageTimes, until interruptions: Interruptions
    ) async throws(CloudletError) {
        do throws(CloudletError) {
            try await interruptions.run(until: 1) { () async throws(CloudletError) in
                try await run(running, times: times)
            }
        } catch {
            if error.code != .interrupted { throw error }
        }
    }

    private func run(_ running: RunningVM, times: StageTimes) async throws(CloudletError) {
        guard let command else { return }
        let environment = Customisation.variables(running.forwards)
        let words = command.map { $0 == Self.portPlace ? environment["CLOUDLET_VM_PORT_22"] ?? "22" : $0 }
        try await times.measure(.closingStep) { () async throws(CloudletError) in
            let failure: String
            do throws(CloudletError) {
                let status = try await ChildProgram.run(words, adding: environment)
                if status == 0 { return try await running.waitForFreedMemory() }
                failure = "the closing step ended with status \(status)"
            } catch {
                if error.code == .interrupted { throw error }
                failure = "the closing step failed: \(error)"
            }
            Console.note("\(failure); the overlay may be larger than necessary")
        }
    }
}
