// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletSystem
import Foundation
import Glibc
import Subprocess

/// Waits until the person or script that works in a VM is done.
struct Customisation: Sendable {
    private let viewer: Viewer?
    private let untilPort: UInt16?
    private let provision: String?
    private let readsInput: Bool
    /// A reason why the guest may not boot, if there is one. It is reported when the guest does not answer.
    var doubt: String?

    /// Determines how the end of the work is recognised.
    /// - Throws: `CloudletError.usage` when there is no way to recognise it.
    init(_ options: CustomiseOptions) throws(CloudletError) {
        untilPort = options.untilPort
        provision = options.provision
        let scripted = options.untilPort != nil || options.provision != nil
        viewer = try scripted && options.viewer == nil ? nil : Viewer(choice: options.viewer)
        readsInput = !scripted
        if let provision, !InstalledProgram.canRun(provision) {
            throw CloudletError(
                .notFound, "the provisioning program \(provision) can't be run",
                advice: "name an existing program, and make it executable with 'chmod +x'")
        }
        if !scripted, viewer == nil, isatty(STDIN_FILENO) != 1, !Self.inputIsPipe {
            throw CloudletError(
                .usage, "there is no way to tell when the work in the VM is done",
                advice: "use --provision, --until-port or --viewer, or run in a terminal")
        }
    }

    /// How long to wait for the agent of a guest that has just booted. A person's work takes longer than the start of an
    /// agent. A program, or a port that answers, can be quicker.
    var agentLimit: Duration {
        untilPort == nil && provision == nil ? VirtualMachine.agentLimit : Self.agentStartLimit
    }

    /// How long an agent may take to start after other services of the guest.
    static let agentStartLimit = Duration.seconds(30)

    /// Whether the VM needs a display.
    var needsDisplay: Bool { viewer != nil }

    private static var inputIsPipe: Bool {
        guard let status = FileStatus.of(descriptor: STDIN_FILENO) else { return false }
        return status.isPipe || status.isRegular
    }

    /// Returns when one of the chosen ways shows that the work is done.
    func wait(_ machine: VirtualMachine, _ forwards: [ActiveForward]) async throws(CloudletError) {
        do {
            try await withThrowingTaskGroup { group in
                group.addTask {
                    let failure = await machine.waitForEnd()
                    try Task.checkCancellation()
                    if let failure { throw failure.during("the VM ended unexpectedly, before the work in it was done") }
                    throw CloudletError(
                        .unavailable, "the VM ended before the work in it was done",
                        advice: "do not shut the guest down: the state of the running VM is saved")
                }
                if let viewer { try await add(viewer, machine, to: &group) }
                if let untilPort {
                    group.addTask { try await waitForPort(untilPort, machine, forwards) }
                }
                if let provision { group.addTask { try await runProgram(provision, forwards) } }
                if readsInput, !Self.inputIsEmpty {
                    Console.note("The VM is running. Press Enter when the work in it is done.")
                    group.addTask { try await waitForEnter() }
                }
                defer { group.cancelAll() }
                try await group.next()
            }
        } catch is CancellationError {
            throw CloudletError(.interrupted, "interrupted")
        } catch {
            throw .wrapping(error, .defect, "unexpected failure")
        }
    }

    private static var inputIsEmpty: Bool {
        guard let status = FileStatus.of(descriptor: STDIN_FILENO) else { return true }
        return status.isCharacterDevice && isatty(STDIN_FILENO) != 1
    }

    private func add(
        _ viewer: Viewer, _ machine: VirtualMachine, to group: inout ThrowingTaskGroup<Void, any Error>
    ) async throws(CloudletError) {
        guard let port = try await machine.displayPort() else {
            throw CloudletError(.unavailable, "the VM has no display")
        }
        Console.note("The VM's display is at 127.0.0.1:\(port). Close \(viewer.name) when the work is done.")
        group.addTask { try await viewer.show(port: port) }
    }

    private func waitForPort(
        _ port: UInt16, _ machine: VirtualMachine, _ forwards: [ActiveForward]
    ) async throws(CloudletError) {
        guard let forward = forwards.first(where: { $0.forward.guestPort == port && $0.forward.transport == .tcp })
        else { throw CloudletError(.defect, "guest port \(port) is not forwarded") }
        try await AwaitedPort(port: port, doubt: doubt).wait { (text) in
            Console.note(text)
        } until: {
            () async throws(CloudletError) in
            try await machine.answers(on: forward)
        }
    }

    /// The environment variables that describe the VM to a program on the host.
    static func variables(_ forwards: [ActiveForward]) -> [String: String] {
        var environment = ["CLOUDLET_VM_HOST": "127.0.0.1"]
        for active in forwards where active.forward.transport == .tcp {
            let port = String(active.forward.hostPort)
            environment["CLOUDLET_VM_PORT_\(active.forward.guestPort)"] = port
            if environment["CLOUDLET_VM_PORT"] == nil { environment["CLOUDLET_VM_PORT"] = port }
        }
        return environment
    }

    private func runProgram(_ program: String, _ forwards: [ActiveForward]) async throws(CloudletError) {
        let status = try await ChildProgram.run([program], adding: Self.variables(forwards))
        guard status == 0 else {
            throw CloudletError(
                .unavailable, "the provisioning program \(program) ended with status \(status)",
                advice: "nothing was saved; correct the program and try again")
        }
    }

    private func waitForEnter() async throws(CloudletError) {
        if try await StandardInput.waitForLine() { return }
        // The end of the input without a line is not the end of the work; the other ways decide.
        await AsyncEvent().wait()
        throw CloudletError(.interrupted, "interrupted")
    }
}
