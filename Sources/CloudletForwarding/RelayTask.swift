// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletNetwork
import CloudletSystem
package import SystemPackage

/// The task of a relay process: what it relays, and for how long.
package struct RelayTask: Hashable, Sendable {
    /// A port of this host that is relayed.
    package struct Rule: Hashable, Sendable {
        /// The IPv4 address to listen on.
        package var address: IPAddress
        /// The port to listen on; 0 for any free one.
        package var port: UInt16
        /// Whether any free port will do when this one can't be used.
        package var mayMove: Bool
        /// The port of 127.0.0.1 to which connections are relayed.
        package var target: UInt16

        /// Makes a rule.
        package init(_ address: IPAddress, _ port: UInt16, mayMove: Bool, to target: UInt16) {
            (self.address, self.port, self.mayMove, self.target) = (address, port, mayMove, target)
        }
    }

    /// The first command-line argument that makes an executable the relay process.
    static let marker = "--port-relay"

    /// The relay process ends when this process ends.
    package var emulator: Int32
    /// A file that the relay process keeps locked as long as it exists.
    package var lock: FilePath
    /// The ports.
    package var rules: [Rule]

    /// Makes a task.
    package init(emulator: Int32, lock: FilePath, rules: [Rule]) {
        (self.emulator, self.lock, self.rules) = (emulator, lock, rules)
    }

    /// The task as command-line arguments.
    var arguments: [String] {
        [Self.marker, String(emulator), lock.string]
            + rules.flatMap { [$0.address.description, "\($0.port)", $0.mayMove ? "move" : "stay", "\($0.target)"] }
    }

    /// Reads the task from command-line arguments without the program's name.
    init?(_ arguments: [String]) {
        guard arguments.count >= 3, arguments.count % 4 == 3, arguments[0] == Self.marker,
            let emulator = Int32(arguments[1]), emulator > 0
        else { return nil }
        var rules: [Rule] = []
        for at in stride(from: 3, to: arguments.count, by: 4) {
            guard let address = IPAddress(arguments[at]), address.isV4, let port = UInt16(arguments[at + 1]),
                ["move", "stay"].contains(arguments[at + 2]), let target = UInt16(arguments[at + 3])
            else { return nil }
            rules.append(Rule(address, port, mayMove: arguments[at + 2] == "move", to: target))
        }
        self.init(emulator: emulator, lock: FilePath(arguments[2]), rules: rules)
    }
}

extension RelayTask {
    /// The task of a process that takes the place of one which listens on these ports: clients have learned them.
    func fixed(at ports: [UInt16]) -> RelayTask {
        var task = self
        for (index, port) in ports.enumerated() where rules.indices.contains(index) {
            (task.rules[index].port, task.rules[index].mayMove) = (port, false)
        }
        return task
    }
}

/// What a relay process writes into its lock file when it listens.
struct RelayRecord: Hashable, Sendable {
    /// Its process number.
    var process: Int32
    /// Its task, with the ports on which it listens.
    var task: RelayTask

    /// One value in each line, which ends with a zero byte: a later record can be shorter than an earlier one.
    var text: String { ([String(process)] + task.arguments).joined(separator: "\n") + "\0" }

    init(process: Int32, task: RelayTask) { (self.process, self.task) = (process, task) }

    /// Reads a record.
    init?(_ text: String) {
        guard let end = text.firstIndex(of: "\0") else { return nil }
        let lines = text[..<end].split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        guard let process = lines.first.flatMap({ Int32($0) }), process > 0,
            let task = RelayTask(Array(lines.dropFirst()))
        else { return nil }
        self.init(process: process, task: task)
    }

    /// The record in a lock file.
    init?(in lock: FilePath) {
        guard let bytes = try? File(lock, .read).read(64 << 10, at: 0) else { return nil }
        self.init(String(decoding: bytes, as: UTF8.self))
    }
}

/// What a relay process reports in its first and only line of output.
enum RelayReport: Hashable, Sendable {
    /// It relays, and listens on these ports, in the order of the rules.
    case listening([UInt16])
    /// It can't listen on the port of the rule with this index, for a reason of errno(3). It ends.
    case refused(rule: Int, reason: Int32)
    /// It ends for another reason.
    case failed(String)

    var line: String {
        switch self {
        case .listening(let ports): "listening" + ports.map { " \($0)" }.joined()
        case .refused(let rule, let reason): "refused \(rule) \(reason)"
        case .failed(let reason): "failed \(reason.displayable(limit: 1000))"
        }
    }

    init?(line: some StringProtocol) {
        let words = line.split(separator: " ")
        if words.first == "failed" {
            self = .failed(line.drop { $0 != " " }.dropFirst().description)
            return
        }
        let numbers = words.dropFirst().compactMap { Int32($0) }
        guard numbers.count == words.count - 1 else { return nil }
        switch words.first {
        case "listening":
            let ports = numbers.compactMap { UInt16(exactly: $0) }
            guard ports.count == numbers.count else { return nil }
            self = .listening(ports)
        case "refused":
            guard numbers.count == 2 else { return nil }
            self = .refused(rule: Int(numbers[0]), reason: numbers[1])
        default: return nil
        }
    }
}
