// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Foundation

/// A QMP command for QEMU's monitor.
struct MonitorCommand<Arguments: Encodable>: Encodable {
    let execute: String
    let arguments: Arguments

    func text() throws(CloudletError) -> String {
        do { return String(decoding: try JSONEncoder().encode(self), as: UTF8.self) } catch {
            throw CloudletError(.defect, "can't encode the monitor command \(execute)", cause: error)
        }
    }
}

/// The two forms of a QMP answer.
struct MonitorAnswer<Value: Decodable>: Decodable {
    struct Failure: Decodable {
        let desc: String
    }

    let `return`: Value?
    let error: Failure?

    static func value(
        of text: some Sequence<UInt8>, command: String, from speaker: String = "QEMU"
    ) throws(CloudletError) -> Value {
        let answer: MonitorAnswer
        do { answer = try JSONDecoder().decode(MonitorAnswer.self, from: Data(text)) } catch {
            throw CloudletError(.unavailable, "the answer of \(speaker) to \(command) is not understood", cause: error)
        }
        if let failure = answer.error {
            throw CloudletError(.unavailable, "\(speaker) refused \(command): \(failure.desc.displayable(limit: 500))")
        }
        guard let value = answer.return else {
            throw CloudletError(.unavailable, "the answer of \(speaker) to \(command) is empty")
        }
        return value
    }
}

/// Stands for no arguments or an ignored result.
struct Nothing: Codable, Sendable {}

/// State of a migration, when saving or loading (`query-migrate`).
struct MigrationStatus: Decodable, Sendable {
    let status: String?
    let errorText: String?

    enum CodingKeys: String, CodingKey {
        case status
        case errorText = "error-desc"
    }
}

/// Capabilities of the migration code (`migrate-set-capabilities`).
struct MigrationCapabilities: Encodable {
    struct Capability: Encodable {
        let capability: String
        let state: Bool
    }

    let capabilities: [Capability]

    /// Guest RAM stays in the shared file. Only device state and small memory blocks go through the stream.
    static let ignoreShared = MigrationCapabilities(
        capabilities: [Capability(capability: "x-ignore-shared", state: true)])
}

/// Parameters of the migration code (`migrate-set-parameters`).
struct MigrationParameters: Codable {
    var maxBandwidth: Int?
    var announceRounds: Int?

    enum CodingKeys: String, CodingKey {
        case maxBandwidth = "max-bandwidth"
        case announceRounds = "announce-rounds"
    }

    /// No limit of the bandwidth.
    static let unbounded = MigrationParameters(maxBandwidth: 1 << 40)
    /// The guest announces its network address once instead of five times. The announcements are for the switches of a
    /// real network. A user network has none, and under emulation they take long. Zero rounds would be best, but then
    /// QEMU (at least 7.2) frees the network card's announcement timer, and crashes when the guest resets the card.
    static let quiet = MigrationParameters(announceRounds: 1)
}

struct URIArgument: Encodable { let uri: String }

struct DescriptorName: Encodable { let fdname: String }

/// Makes a character device of a socket that was passed with `getfd` (`chardev-add`).
struct CharacterDeviceAddition: Encodable {
    struct Backend: Encodable {
        let type = "socket"
        let data: Socket
    }

    struct Socket: Encodable {
        let addr: Address
        let server = false
    }

    struct Address: Encodable {
        struct Name: Encodable { let str: String }
        let type = "fd"
        let data: Name
    }

    let id: String
    let backend: Backend

    init(_ id: String, of descriptor: String) {
        self.id = id
        backend = Backend(data: Socket(addr: Address(data: .init(str: descriptor))))
    }
}

/// A port of a virtio-serial controller, by which a guest's agent is reached (`device_add`).
struct AgentPort: Encodable {
    let driver = "virtserialport"
    let name = "org.qemu.guest_agent.0"
    let number = 1
    let bus: String
    let characterDevice: String

    enum CodingKeys: String, CodingKey {
        case driver, name, bus
        case number = "nr"
        case characterDevice = "chardev"
    }
}

/// A character device (`query-chardev`).
struct CharacterDevice: Decodable {
    let label: String
    /// Whether a program in the guest has opened the device.
    let isOpen: Bool

    enum CodingKeys: String, CodingKey {
        case label
        case isOpen = "frontend-open"
    }
}

/// A property of one of QEMU's objects (`qom-get`).
struct ObjectProperty: Encodable {
    let path: String
    let property: String
}

struct HumanCommand: Encodable {
    let commandLine: String

    enum CodingKeys: String, CodingKey { case commandLine = "command-line" }
}
