import CloudletCore
import CloudletSystem
import Foundation

/// Calls qemu-guest-agent in a VM (QEMU's `qga/qapi-schema.json`) through libvirt, which limits the size of answers. A
/// guest can be hostile: each call has a time limit, and only the needed fields of an answer are read.
struct GuestAgent: Sendable {
    private let domain: LibvirtDomain

    /// Seconds that libvirt waits for an answer.
    private static let answerSeconds: Int32 = 3

    init(_ domain: LibvirtDomain) { self.domain = domain }

    /// Waits until the agent answers. libvirt refuses calls at once while the agent has not opened its channel.
    /// - Returns: whether it answers within `limit`.
    func answers(within limit: Duration) async -> Bool {
        let answered = try? await domain.connection.events.wait(for: domain.name, within: limit) { event in
            event == .agentConnected || event.isEnd
        } until: {
            () async throws(CloudletError) in
            (try? await call("guest-ping", Nothing(), as: Nothing.self)) != nil
        }
        return answered ?? false
    }

    /// Sets the guest's clock to the host's.
    /// - Throws: `CloudletError.unavailable` when the agent can't do it or is not allowed to.
    func setClock() async throws(CloudletError) {
        struct Time: Encodable { let time: Int64 }
        let time = Time(time: Self.now)
        // The agent sets the guest's clock at once. Then it runs `hwclock` for a second or two to set the machine's
        // clock, which is already right. So only a refusal is worth waiting for, and a later answer is ignored.
        let answer = await resultWithin(Self.refusalLimit) { [self] in
            await Result.of { () async throws(CloudletError) in
                try await call("guest-set-time", time, as: Nothing.self)
            }
        }
        guard case .failure(let refusal)? = answer else { return }
        // `guest-set-time` needs `hwclock` in the guest. Every system has `date`.
        let now = Self.now
        let text = "@\(now / 1_000_000_000).\(String(now % 1_000_000_000 + 1_000_000_000).dropFirst())"
        guard let ended = try? await execute("date", ["-u", "-s", text]), ended.status == 0 else { throw refusal }
    }

    /// How long to wait for a refusal of an agent that has just answered a call.
    private static let refusalLimit = Duration.milliseconds(40)

    /// Mixes 64 bytes of the host's random generator into the guest's generator and makes the guest's kernel use them
    /// at once (`RNDADDENTROPY` and `RNDRESEEDCRNG` of random(4)). All later random numbers depend on them.
    /// - Throws: `CloudletError.unavailable` when the agent may not run programs, or the guest has no suitable program.
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

    /// Runs a program in the guest and waits until it ends.
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
        let ended = try await poll(every: .milliseconds(5), upTo: .milliseconds(50), for: .seconds(3)) {
            () async throws(CloudletError) in
            let status = try await call("guest-exec-status", started, as: Status.self)
            (code, output) = (status.exitcode, status.output)
            return status.exited
        }
        guard ended, let code else {
            throw CloudletError(.unavailable, "\(program) in the guest did not end by itself within 3 s")
        }
        let bytes = output.flatMap { Data(base64Encoded: $0) } ?? Data()
        return Ended(status: code, output: String(decoding: bytes, as: UTF8.self))
    }

    private func call<Arguments: Encodable & Sendable, Value: Decodable & Sendable>(
        _ name: String, _ arguments: Arguments, as type: Value.Type
    ) async throws(CloudletError) -> Value {
        let text = try MonitorCommand(execute: name, arguments: arguments).text()
        let answer = try await blocking { [domain] () throws(CloudletError) in
            try domain.agent(text, seconds: Self.answerSeconds)
        }
        return try MonitorAnswer<Value>.value(of: answer, command: name, from: "the guest agent")
    }

    /// Nanoseconds since 1970.
    private static var now: Int64 { Int64(Date().timeIntervalSince1970 * 1e6) * 1000 }
}
