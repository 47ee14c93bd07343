// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import Foundation

/// Calls qemu-guest-agent in a VM (QEMU's `qga/qapi-schema.json`). A guest can be hostile: each call has a time limit, all
/// calls together have one, and only the needed fields of an answer are read.
struct GuestAgent: Sendable {
    private let channel: AgentChannel
    /// When the last call must have ended.
    private let end: ContinuousClock.Instant

    /// Calls the agent at the other end of a channel until `limit` is over.
    init(_ channel: AgentChannel, for limit: Duration) {
        self.channel = channel
        end = .now + limit
    }

    /// Waits for the agent's first answer. An agent that is not running yet finds the request when it starts.
    /// - Throws: `CloudletError` when there is none within `limit`.
    func requireAnswer(within limit: Duration? = nil) async throws(CloudletError) {
        _ = try await call("guest-ping", Nothing(), as: Nothing.self, within: limit)
    }

    /// Sets the guest's clock to the host's.
    /// - Throws: `CloudletError` when the agent can't do it, is not allowed to or does not answer.
    func setClock() async throws(CloudletError) {
        struct Time: Encodable { let time: Int64 }
        try await requireAnswer()
        // The agent sets the guest's clock at once. Then it runs `hwclock` for a second or two to set the machine's
        // clock, which is already right. So only a refusal is worth waiting for, and a later answer is ignored.
        let refusal: CloudletError
        do throws(CloudletError) {
            _ = try await answer(
                to: "guest-set-time", Time(time: Self.now), as: Nothing.self, within: Self.refusalLimit)
            return
        } catch {
            refusal = error
        }
        // `guest-set-time` needs `hwclock` in the guest. Every system has `date`.
        let now = Self.now
        let text = "@\(now / 1_000_000_000).\(String(now % 1_000_000_000 + 1_000_000_000).dropFirst())"
        guard let ended = try? await execute("date", ["-u", "-s", text]), ended.status == 0 else { throw refusal }
    }

    /// How long to wait for a refusal of an agent that has just answered a call.
    private static let refusalLimit = Duration.milliseconds(40)

    /// Mixes 64 bytes of the host's random generator into the guest's generator and makes the guest's kernel use them
    /// at once (`RNDADDENTROPY` and `RNDRESEEDCRNG` of random(4)). All later random numbers depend on them.
    /// - Throws: `CloudletError` when the agent may not run programs or does not answer, or the guest has no suitable
    ///   program.
    func reseed() async throws(CloudletError) {
        let bytes = (0..<64).map { _ in UInt8.random(in: 0 ... .max) }
        var failure: CloudletError?
        for (program, code) in Self.reseedingPrograms {
            do throws(CloudletError) {
                let ended = try await execute(program, code, input: bytes)
                if ended.status == 0 { return }
                failure = CloudletError(.unavailable, "\(program) in the guest ended with status \(ended.status)")
            } catch {
                failure = error
            }
        }
        throw failure ?? CloudletError(.defect, "no program was tried")
    }

    /// Whether the guest's kernel has bound a driver to the VM generation id.
    func hasGenerationDriver() async throws(CloudletError) -> Bool {
        // The driver's directory contains a link for each of its devices. The driver's bus was ACPI, later platform.
        let script = "for d in /sys/bus/*/drivers/vmgenid/*:*; do [ -e \"$d\" ] && exit 0; done; exit 1"
        return try await execute("sh", ["-c", script]).status == 0
    }

    /// The clock source of a Linux guest's kernel, such as `kvm-clock`.
    func clockSource() async throws(CloudletError) -> String? {
        let path = "/sys/devices/system/clocksource/clocksource0/current_clocksource"
        let ended = try await execute("cat", [path])
        let name = ended.output.prefix { !$0.isWhitespace }
        return ended.status == 0 && !name.isEmpty ? String(name).displayable(limit: 40) : nil
    }

    /// Runs a shell script in the guest, and waits for its end.
    /// - Throws: `CloudletError` when the agent may not run programs or does not answer, or the script fails.
    func run(script: String) async throws(CloudletError) {
        let ended = try await execute("sh", ["-c", script])
        guard ended.status == 0 else {
            throw CloudletError(.unavailable, "the script in the guest ended with status \(ended.status)")
        }
    }

    /// Discards the unused blocks of the guest's file systems.
    func trim() async throws(CloudletError) {
        _ = try await call("guest-fstrim", Nothing(), as: Nothing.self)
    }

    /// Programs of which nearly every Linux guest has one, with arguments that make it reseed from its standard input.
    private static let reseedingPrograms: [(String, [String])] = [
        (
            "perl",
            [
                "-e",
                "binmode STDIN; read(STDIN,my $s,64)==64 or exit 3; open(my $r,'>','/dev/random') or exit 4;"
                    + "ioctl($r,0x40085203,pack('iia64',512,64,$s)) or exit 5; ioctl($r,0x5207,0) or exit 6;",
            ]
        ),
        (
            "python3",
            [
                "-S", "-c",
                "import fcntl,struct,sys; s=sys.stdin.buffer.read(64); r=open('/dev/random','wb',0);"
                    + "fcntl.ioctl(r,0x40085203,struct.pack('ii64s',512,64,s)); fcntl.ioctl(r,0x5207)",
            ]
        ),
    ]

    // MARK: - Calls

    private struct Ended {
        let status: Int
        /// What the program wrote; the agent limits its size.
        let output: String
    }

    /// Runs a program in the guest and waits until it ends, as long as the agent may be called.
    private func execute(
        _ program: String, _ arguments: [String], input: [UInt8] = []
    ) async throws(CloudletError) -> Ended {
        struct Command: Encodable {
            let path: String
            let arg: [String]
            let inputData: String?
            let captureOutput = true

            enum CodingKeys: String, CodingKey {
                case path, arg
                case inputData = "input-data"
                case captureOutput = "capture-output"
            }
        }
        struct Started: Codable { let pid: Int }
        struct Status: Decodable {
            let exited: Bool
            let exitcode: Int?
            let output: String?

            enum CodingKeys: String, CodingKey {
                case exited, exitcode
                case output = "out-data"
            }
        }
        let command = Command(
            path: program, arg: arguments, inputData: input.isEmpty ? nil : Data(input).base64EncodedString())
        let started = try await call("guest-exec", command, as: Started.self)
        var (code, output): (Int?, String?)
        // The agent reports no event when a program ends.
        let ended = try await poll(every: .milliseconds(5), upTo: .milliseconds(250), for: end - .now) {
            () async throws(CloudletError) in
            let status = try await call("guest-exec-status", started, as: Status.self)
            (code, output) = (status.exitcode, status.output)
            return status.exited
        }
        guard ended, let code else {
            throw CloudletError(.unavailable, "\(program) in the guest did not end by itself in time")
        }
        let bytes = output.flatMap { Data(base64Encoded: $0) } ?? Data()
        return Ended(status: code, output: String(decoding: bytes, as: UTF8.self))
    }

    private func call<Arguments: Encodable & Sendable, Value: Decodable & Sendable>(
        _ name: String, _ arguments: Arguments, as type: Value.Type, within limit: Duration? = nil
    ) async throws(CloudletError) -> Value {
        guard let value = try await answer(to: name, arguments, as: type, within: limit) else {
            throw CloudletError(.unavailable, "the guest agent did not answer \(name) in time")
        }
        return value
    }

    /// Calls the agent.
    /// - Parameters:
    ///   - name: the command.
    ///   - arguments: its arguments.
    ///   - type: the type of the answer.
    ///   - limit: how long the answer may take; `nil` as long as the agent may be called.
    /// - Returns: the answer; `nil` when the agent sends nothing in that time.
    /// - Throws: `CloudletError` when the agent refuses, or sends something else.
    private func answer<Arguments: Encodable & Sendable, Value: Decodable & Sendable>(
        to name: String, _ arguments: Arguments, as type: Value.Type, within limit: Duration?
    ) async throws(CloudletError) -> Value? {
        let request = try MonitorCommand(execute: name, arguments: arguments).text()
        let deadline = limit.map { min(end, .now + $0) } ?? end
        let cancellation = try SocketPair()
        let result = await withTaskCancellationHandler {
            await Result.of { () async throws(CloudletError) in
                try await blocking { [channel] () throws(CloudletError) in
                    try channel.answer(to: request, named: name, before: deadline, orEndOf: cancellation.theirs)
                }
            }
        } onCancel: {
            cancellation.ours.shutDown()
        }
        if Task.isCancelled { throw CloudletError(.interrupted, "interrupted") }
        guard let answer = try result.get() else { return nil }
        return try MonitorAnswer<Value>.value(of: answer, command: name, from: "the guest agent")
    }

    /// Nanoseconds since 1970.
    private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1e6) * 1000 }
}
