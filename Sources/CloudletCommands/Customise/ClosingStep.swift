// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletSynthesis
import CloudletSystem
import SystemPackage

/// Options of the closing step. It runs in the guest right before its state is saved, and frees what need not be saved.
struct ClosingStepOptions: ParsableArguments {
    @Option(
        name: .customLong("ssh-key"),
        help:
            "Private SSH key for the guest, to run the closing step (sync, fstrim, drop caches) by SSH if the guest has no agent that can run it.",
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
    /// How the step is run.
    private enum Way {
        /// It is not run.
        case none
        /// A program on this host.
        case program(String)
        /// The guest's agent runs the script, or SSH if there is no agent or it may not. The private key is an open file,
        /// because ssh expands parts of file names, such as `%h` and `${HOME}`.
        case guest(key: File?, user: String)
    }

    private let way: Way
    /// Whether the base VM's guest had an agent.
    private let expectsAgent: Bool

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
    /// The script without output, and with success even if a part of it is not possible in the guest.
    private static let quietScript = "exec >/dev/null 2>&1\n\(script)\nexit 0"

    /// How long the guest's agent may take. Discarding the unused blocks of a large disk takes minutes.
    private static let agentLimit = Duration.seconds(600)

    /// Determines how the step is run. `guest` is what the base VM's guest supports.
    init(_ options: ClosingStepOptions, guest: GuestSupport) throws(CloudletError) {
        let key = try options.sshKey.map { (path) throws(CloudletError) in
            try ExistingFile.require(path)
            return try File(FilePath(path), .read)
        }
        let program = options.program ?? (options.sshKey == nil ? nil : "ssh")
        if !options.isOff, let program, !InstalledProgram.canRun(program) {
            throw CloudletError(
                .notFound, "the closing step's program \(program.displayable()) can't be run",
                advice: options.program == nil
                    ? "install the package openssh-client" : "name an existing program, and make it executable")
        }
        expectsAgent = guest.clock == .agent
        if options.isOff {
            way = .none
        } else if let program = options.program {
            way = .program(program)
        } else {
            way = .guest(key: key, user: options.sshUser)
            if key == nil, !expectsAgent { Console.note(Self.instructions) }
        }
        needsSSH = if case .guest(.some, _) = way { true } else { false }
    }

    private static let instructions =
        "No closing step will run, because the guest has no agent (qemu-guest-agent), and neither --ssh-key nor "
        + "--closing-step is given. For a smaller overlay, run these commands in the VM before the work in it is done:\n"
        + script.split(separator: "\n").map { "  \($0)" }.joined(separator: "\n") + "\n  sleep 3"

    /// Whether the step may connect to the guest's SSH server.
    let needsSSH: Bool

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
        switch way {
        case .none: return
        case .program(let program):
            try await times.measure(.closingStep) { () async throws(CloudletError) in
                try await run([program], running)
            }
        case .guest(let key, let user):
            let hasAgent = await running.machine.agentAnswers()
            guard hasAgent || key != nil else {
                if expectsAgent {
                    Console.note(
                        "No closing step was run, because the guest agent does not answer any more; the overlay may be "
                            + "larger than necessary. With --ssh-key, the step can be run by SSH.")
                }
                return
            }
            try await times.measure(.closingStep) { () async throws(CloudletError) in
                if hasAgent, try await runByAgent(running, isLast: key == nil) { return }
                if let key { try await run(Self.ssh(key, user, running.forwards), running) }
            }
        }
    }

    /// Lets the guest's agent run the step.
    /// - Parameters:
    ///   - running: the VM.
    ///   - isLast: whether there is no other way to run it.
    /// - Returns: whether the step is done.
    /// - Throws: `CloudletError.interrupted` only.
    private func runByAgent(_ running: RunningVM, isLast: Bool) async throws(CloudletError) -> Bool {
        do throws(CloudletError) {
            try await running.machine.runInGuest(script: Self.quietScript, within: Self.agentLimit)
            try await running.waitForFreedMemory()
            return true
        } catch {
            if error.code == .interrupted { throw error }
            guard isLast else {
                Console.note("The guest agent did not run the closing step (\(error)), so it is run by SSH.")
                return false
            }
            // Agents that may not run programs may still discard unused blocks. Freezing the file systems would write back
            // dirty pages, but a guest whose agent then fails would stay frozen.
            let isTrimmed = await Result.of { () async throws(CloudletError) in
                try await running.machine.trimGuest(within: Self.agentLimit)
            }
            Console.note(
                "The guest agent did not run the closing step (\(error)). "
                    + ((try? isTrimmed.get()) == nil ? "" : "It only discarded unused disk blocks. ")
                    + "The overlay may be larger than necessary; with --ssh-key, the step can be run by SSH.")
            return true
        }
    }

    /// The command that runs the step by SSH. The settings make ssh ignore the user's SSH configuration and leave no
    /// files behind.
    static func ssh(_ key: File, _ user: String, _ forwards: [ActiveForward]) -> [String] {
        let settings = [
            "IdentitiesOnly=yes", "IdentityAgent=none", "BatchMode=yes", "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null", "GlobalKnownHostsFile=/dev/null", "LogLevel=ERROR", "ConnectTimeout=20",
            "ServerAliveInterval=5", "ServerAliveCountMax=6",
        ]
        let port = Customisation.variables(forwards)["CLOUDLET_VM_PORT_22"] ?? "22"
        return ["ssh", "-F", "none", "-T", "-i", key.descriptorPath.string] + settings.flatMap { ["-o", $0] } + [
            "-p", port, "\(user)@127.0.0.1", quietScript,
        ]
    }

    /// Runs a program on this host that runs the step.
    private func run(_ command: [String], _ running: RunningVM) async throws(CloudletError) {
        let failure: String
        do throws(CloudletError) {
            let status = try await ChildProgram.run(command, adding: Customisation.variables(running.forwards))
            if status == 0 { return try await running.waitForFreedMemory() }
            failure = "the closing step ended with status \(status)"
        } catch {
            if error.code == .interrupted { throw error }
            failure = "the closing step failed: \(error)"
        }
        Console.note("\(failure); the overlay may be larger than necessary")
    }
}
