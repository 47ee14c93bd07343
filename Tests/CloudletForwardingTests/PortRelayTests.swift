// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletNetwork
import CloudletSystem
import CloudletTestSupport
import Glibc
import NIOCore
import NIOPosix
import SystemPackage
import Testing

@testable import CloudletForwarding

@Suite("Port relay") struct PortRelayTests {
    @Test(
        "a relayed connection behaves as a direct one",
        arguments: [
            "half_close", "closed_while_data_waits", "resets", "nobody_listens", "slow_reader", "buffers", "many",
            "shares",
            "emulator_ends",
        ])
    func connections(scenario: String) async throws {
        let peers = Repository.root.appending("Tests/CloudletForwardingTests/Reference/relay_peers.py")
        let result = try await Tool.run(
            "timeout", ["120", "python3", peers.string, Repository.programs.appending("cloudlet").string, scenario])
        #expect(result.status == 0, "\(result.output)\(result.errors)")
    }

    @Test("a task is read as it was written, and nothing else is")
    func task() throws {
        let address = try #require(IPAddress("192.168.1.5"))
        let task = RelayTask(
            emulator: 77, lock: "/a b/port-relay",
            rules: [.init(address, 9876, mayMove: false, to: 40000), .init(address, 0, mayMove: true, to: 40001)])
        #expect(RelayTask(task.arguments) == task)
        for (index, wrong) in [
            (0, "--port"), (1, "0"), (1, "x"), (3, "host"), (3, "::1"), (4, "65536"), (5, "maybe"), (6, "-1"),
        ] {
            var arguments = task.arguments
            arguments[index] = wrong
            #expect(RelayTask(arguments) == nil, "\(arguments)")
        }
        #expect(RelayTask(task.arguments.dropLast()) == nil)
        let record = RelayRecord(process: 5, task: task)
        #expect(RelayRecord(record.text + "rest of a longer one") == record)
        for wrong in ["", "5\0", "x" + record.text, String(record.text.dropLast())] {
            #expect(RelayRecord(wrong) == nil, "\(wrong)")
        }
        for report in [
            RelayReport.listening([1, 65535]), .listening([]), .refused(rule: 1, reason: 98), .failed("it is  locked"),
        ] {
            #expect(RelayReport(line: report.line) == report)
        }
        for wrong in ["", "listening x", "listening 65536", "refused 1", "ready 1"] {
            #expect(RelayReport(line: wrong) == nil, "\(wrong)")
        }
    }

    private let starter = RelayProcess(executable: Repository.programs.appending("cloudlet"))
    private let loopback = IPAddress.v4(INADDR_LOOPBACK)

    /// Runs a process that stands for the emulator while `body` runs.
    private func withEmulator<Value: Sendable>(
        in scratch: ScratchDirectory? = nil,
        _ body: @escaping @Sendable (_ emulator: Int32, _ directory: FilePath) async throws -> Value
    ) async throws -> Value {
        let scratch = try scratch ?? ScratchDirectory()
        return try await Tool.with("sleep", ["300"], log: scratch.file("log")) { try await body($0.pid, scratch.path) }
            .value
    }

    @Test("a port that is taken is refused with the reason, or moved if it may be")
    func taken() async throws {
        let listener = try #require(Listener())
        try await withEmulator { emulator, directory in
            let rules = [RelayTask.Rule(loopback, 0, mayMove: false, to: 9)]
            let taken = RelayTask.Rule(loopback, listener.port, mayMove: false, to: 9)
            let refused = try await starter.start(rules + [taken], emulator: emulator, directory: directory)
            #expect(refused == .failure(.init(rule: 1, reason: .addressInUse)))
            await RelayProcess.waitForEnd(in: directory)
            var moving = taken
            moving.mayMove = true
            let ports = try await starter.start(rules + [moving], emulator: emulator, directory: directory).get()
            #expect(ports.count == 2 && ports[1] != listener.port && !ports.contains(0))
        }
    }

    @Test("a program that is no relay is reported as a process without a report")
    func noReport() async throws {
        for executable in ["/bin/true", "/nowhere"] {
            try await withEmulator { emulator, directory in
                let error = await #expect(throws: CloudletError.self) {
                    _ = try await RelayProcess(executable: FilePath(executable))
                        .start([], emulator: emulator, directory: directory)
                }
                #expect(error?.code == .busy && error?.message.contains("relays the ports") == true)
            }
        }
    }

    @Test("a relay waits while another process looks at its lock file, and says so when one keeps it locked")
    func locked() async throws {
        let scratch = try ScratchDirectory()
        let path = scratch.file("port-relay")
        let other = LockedValue(try FileLock.tryAcquire(path))
        #expect(other.value != nil)
        let error = try await withEmulator(in: scratch) { emulator, directory in
            let rule = RelayTask.Rule(loopback, 0, mayMove: true, to: 9)
            let task = RelayTask(emulator: emulator, lock: path, rules: [rule])
            let program = Repository.programs.appending("cloudlet").string
            _ = try await Tool.with(program, task.arguments, log: scratch.file("waiting")) { relay in
                try await until(10, "it does not begin") {
                    let comm = try File(FilePath("/proc/\(relay.pid)/comm"), .read).read(64, at: 0)
                    return comm == Array("\(RelayChild.name)\n".utf8)
                }
                #expect(relay.isRunning)
                other.value = nil
                try await relay.waitFor("listening ")
                relay.send(SIGKILL)
            }
            other.value = try FileLock.tryAcquire(path)
            return await #expect(throws: CloudletError.self) {
                _ = try await starter.start([rule], emulator: emulator, directory: directory)
            }
        }
        #expect(error?.code == .busy && error?.message.contains("another process holds the lock file") == true)
    }

    @Test(
        "the connection to the VM ends with a client's that is closed before the relay can use it",
        arguments: [false, true])
    func unusable(joined: Bool) async throws {
        let listener = try #require(Listener())
        let loop = MultiThreadedEventLoopGroup.singleton.next()
        let inner = try await ClientBootstrap(group: loop).connect(host: "127.0.0.1", port: Int(listener.port)).get()
        let outer = ClientBootstrap(group: loop).channelInitializer { outer in
            // What fails in here closes the connection before it is registered, as a failure of the registration does.
            (joined ? loop.makeSucceededVoidFuture() : outer.close()).flatMapThrowing {
                try RelayedConnection(outer).join(inner)
                throw ChannelError.eof
            }
        }
        await #expect(throws: (any Error).self) {
            _ = try await outer.connect(host: "127.0.0.1", port: Int(listener.port)).get()
        }
        try await until(5, "the connection to the VM is left open") { !inner.isActive }
    }

    @Test("a relay that is killed is started again at the same port; after the emulator's end its port is free")
    func restart() async throws {
        let restarts = CurrentValue(0)
        let failures = CurrentValue<[String]>([])
        let scratch = try ScratchDirectory()
        let port = try await withEmulator(in: scratch) { emulator, directory in
            let rule = RelayTask.Rule(loopback, 0, mayMove: true, to: 9)
            let port = try await starter.start([rule], emulator: emulator, directory: directory) { failure in
                if let failure { failures.update { $0.append(failure) } } else { restarts.update { $0 += 1 } }
            }.get()[0]
            for round in 1...2 {
                let relay = try #require(PortHolder.all(of: port, .tcp).first)
                #expect(relay.name == RelayChild.name)
                kill(pid_t(relay.pid), SIGKILL)
                try await until(20, "it is not started again") { restarts.value == round }
                #expect(RawConnection(port: port) != nil)
            }
            // Another program takes the port at the very moment.
            let relay = try #require(PortHolder.all(of: port, .tcp).first)
            kill(pid_t(relay.pid), SIGKILL)
            let program = "import socket, time; s = socket.create_server(('127.0.0.1', \(port))); time.sleep(300)"
            _ = try await Tool.with("python3", ["-c", program], log: scratch.file("thief")) { _ in
                try await until(20, "it is not reported") { !failures.value.isEmpty }
                #expect(failures.value == [Errno.addressInUse.description])
            }
            try await until(20, "it is not tried again") { restarts.value == 3 }
            return port
        }
        await RelayProcess.waitForEnd(in: scratch.path)
        #expect(PortHolder.all(of: port, .tcp).isEmpty)
        #expect(restarts.value == 3)
    }

    @Test("a relay of an earlier program is started again, at its ports, by the one that takes over its VM")
    func adopted() async throws {
        let scratch = try ScratchDirectory()
        let restarts = CurrentValue(0)
        let lock = try scratch.write("port-relay", [])
        defer { withExtendedLifetime(lock) {} }
        let port = try await withEmulator(in: scratch) { emulator, directory in
            let path = directory.appending("port-relay")
            let rule = RelayTask.Rule(loopback, 0, mayMove: true, to: 9)
            let earlier = RelayTask(emulator: emulator, lock: path, rules: [rule])
            let program = Repository.programs.appending("cloudlet").string
            let port = try await Tool.with(program, earlier.arguments, log: scratch.file("earlier")) { relay in
                try await relay.waitFor("listening ")
                starter.adopt(in: directory) { if $0 == nil { restarts.update { $0 += 1 } } }
                #expect(restarts.value == 0)
                return try #require(RelayRecord(in: path)).task.rules[0].port
            }.value
            try await until(20, "it is not started again") { restarts.value == 1 }
            #expect(PortHolder.all(of: port, .tcp).first?.name == RelayChild.name)
            return port
        }
        await RelayProcess.waitForEnd(in: scratch.path)
        #expect(PortHolder.all(of: port, .tcp).isEmpty)
    }

    @Test("a relay that does not end after the emulator is killed")
    func stopped() async throws {
        let scratch = try ScratchDirectory()
        let port = try await withEmulator(in: scratch) { emulator, directory in
            let rule = RelayTask.Rule(loopback, 0, mayMove: true, to: 9)
            let port = try await starter.start([rule], emulator: emulator, directory: directory).get()[0]
            kill(pid_t(try #require(PortHolder.all(of: port, .tcp).first).pid), SIGSTOP)
            return port
        }
        #expect(!PortHolder.all(of: port, .tcp).isEmpty)
        await RelayProcess.waitForEnd(in: scratch.path)
        #expect(PortHolder.all(of: port, .tcp).isEmpty)
    }
}
