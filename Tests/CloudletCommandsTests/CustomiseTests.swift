// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletHypervisor
import CloudletSystem
import CloudletTestSupport
import SystemPackage
import Testing

@testable import CloudletCommands

/// The programs that work in a VM, and the closing step.
@Suite(.timeLimit(.minutes(1))) struct CustomiseTests {
    @Test("a program's status is returned, a signal as 128 and its number, and it gets the variables")
    func childProgram() async throws {
        for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143), ("exit $NUMBER", 9)] {
            #expect(try await ChildProgram.run(["/bin/sh", "-c", script], adding: ["NUMBER": "9"]) == Int32(status))
        }
        let error = await #expect(throws: CloudletError.self) {
            _ = try await ChildProgram.run(["/nonexistent/program"], adding: [:])
        }
        #expect(error?.code == .notFound && error?.description.contains("/nonexistent/program") == true)
    }

    @Test("a program is installed if it can be executed, by its path or by a directory of PATH")
    func installed() throws {
        let scratch = try ScratchDirectory()
        let file = try scratch.write("program", Array("#!/bin/sh\n".utf8))
        let path = scratch.file("program").string
        // Root may execute a file only if someone may.
        #expect(!InstalledProgram.canRun(path))
        try file.setPermissions(0o755)
        #expect(InstalledProgram.canRun(path) && InstalledProgram.canRun("sh"))
        #expect(!InstalledProgram.canRun(scratch.path.string + "/"))
        #expect(!InstalledProgram.canRun("no-such-program-anywhere"))
    }

    @Test("when its task is cancelled, a program gets SIGTERM")
    func cancelled() async throws {
        let scratch = try ScratchDirectory()
        let (begun, ended) = (scratch.file("begun"), scratch.file("ended"))
        let script = "trap 'echo > \(ended); exit 0' TERM; echo > \(begun); while :; do sleep 0.05; done"
        let task = Task { _ = try await ChildProgram.run(["/bin/sh", "-c", script], adding: [:]) }
        try await until(5, "the program does not begin") { try FileStatus.of(begun) != nil }
        task.cancel()
        _ = await task.result
        #expect(try FileStatus.of(ended) != nil)
    }

    @Test("the variables name the TCP ports of the VM, the first one also without its guest port")
    func variables() {
        let forwards = ["udp:5353::53", "tcp:2222::22", "tcp:8080::80"].compactMap { text in
            (try? PortForward(parsing: text)).map { ActiveForward($0, address: "127.0.0.1") }
        }
        #expect(
            Customisation.variables(forwards) == [
                "CLOUDLET_VM_HOST": "127.0.0.1", "CLOUDLET_VM_PORT": "2222", "CLOUDLET_VM_PORT_22": "2222",
                "CLOUDLET_VM_PORT_80": "8080",
            ])
    }

    @Test("the closing step needs a forward of SSH only with a key, and without a way to run it says what to do")
    func closingStep() throws {
        let scratch = try ScratchDirectory()
        _ = try scratch.write("key", [1])
        let transcript = Transcript()
        func needsSSH(_ options: String..., guest: GuestSupport = .unknown) throws -> Bool {
            try Console.$transcript.withValue(transcript) { () throws -> Bool in
                try ClosingStep(ClosingStepOptions.parse(options), guest: guest).needsSSH
            }
        }
        #expect(try needsSSH("--ssh-key", scratch.file("key").string))
        #expect(try !needsSSH("--closing-step", "/bin/true") && !needsSSH("--no-closing-step"))
        #expect(try !needsSSH(guest: GuestSupport(clock: .agent, random: .none)))
        #expect(transcript.notes.isEmpty)
        #expect(try !needsSSH())
        #expect(transcript.notes.contains("the guest has no agent"), "\(transcript.notes)")
        #expect(transcript.notes.contains("neither --ssh-key nor --closing-step"), "\(transcript.notes)")
        for line in ClosingStep.script.split(separator: "\n") { #expect(transcript.notes.contains(line)) }
    }

    @Test("ssh gives up a guest that does not answer, asks nothing, and uses no setting and no key of the user")
    func sshSettings() async throws {
        let scratch = try ScratchDirectory()
        let key = try scratch.write("key", [1])
        let forwards = [ActiveForward(try PortForward(parsing: "tcp:2222::22"), address: "127.0.0.1")]
        let command = ClosingStep.ssh(key, "admin", forwards)
        // With -G, ssh prints the settings that it would use.
        let printed = try await Tool.run(command[0], ["-G"] + command.dropFirst())
        let settings = printed.output.split(separator: "\n").map(String.init)
        for setting in [
            "host 127.0.0.1", "port 2222", "user admin", "identityfile \(key.descriptorPath)", "identitiesonly yes",
            "identityagent none", "batchmode yes", "stricthostkeychecking false", "userknownhostsfile /dev/null",
            "globalknownhostsfile /dev/null", "loglevel ERROR", "connecttimeout 20", "serveraliveinterval 5",
            "serveralivecountmax 6", "requesttty false",
        ] { #expect(settings.contains(setting), "no \(setting) in \(printed.errors)\(settings)") }
        #expect(command.last?.contains(ClosingStep.script) == true)
    }

    @Test("a guest that has just booted gets time to start its agent, unless a person has worked in it")
    func agentLimit() throws {
        func limit(_ options: String...) throws -> Duration {
            try Customisation(CustomiseOptions.parse(options)).agentLimit
        }
        #expect(try limit("--until-port", "22") == .seconds(30))
        #expect(try limit("--provision", "true") == .seconds(30))
        #expect(try limit("--viewer", "true") == .seconds(1))
    }
}
