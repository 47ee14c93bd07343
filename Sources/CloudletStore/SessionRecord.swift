// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import GRDB

/// A session as other programs see it, in the registry and from the node's control socket. The registry stores it so
/// that the next node can continue the sessions of one that died, and so that users can see how sessions ended.
package struct SessionRecord: Hashable, Sendable {
    /// The session's number.
    package var id: SessionID
    /// The stage that it has reached.
    package var stage: SynthesisStage
    /// The client's address.
    package var client: String
    /// The application's name.
    package var app: String?
    /// The base VM's hash.
    package var base: String?
    /// The VM's name in the hypervisor.
    package var vm: String?
    /// Why the VM was booted instead of running as it was saved, if that is so.
    package var bootReason: String?
    /// The active forwards.
    package var forwards: [String]
    /// Bytes of the overlay that have been received.
    package var receivedBytes: Int
    /// Its position in the queue, while it waits for room.
    package var place: Int?
    /// When it was created, in seconds since 1970.
    package var created: Int
    /// When it ended, in seconds since 1970.
    package var ended: Int?
    /// Why it ended.
    package var reason: String?
    /// The kind of failure, if it failed.
    package var failure: String?

    /// Creates the record of a new session.
    package init(id: SessionID, stage: SynthesisStage, client: String, created: Int) {
        self.id = id
        self.stage = stage
        self.client = client
        self.created = created
        forwards = []
        receivedBytes = 0
    }
}

extension SessionRecord: Codable {
    private enum CodingKeys: String, CodingKey {
        case id, stage, client, app, base, vm, forwards, place, created, ended, reason, failure
        case receivedBytes = "received_bytes"
        case bootReason = "boot_reason"
    }
}

extension SynthesisStage: Codable {}

/// In JSON, a session's number is a string: it has more digits than many implementations keep in a number (RFC 8259,
/// section 6).
extension SessionID: Codable {
    package init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        guard let value = UInt64(try container.decode(String.self)) else {
            throw DecodingError.dataCorruptedError(in: container, debugDescription: "not a session number")
        }
        self.init(value)
    }

    package func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        try container.encode(description)
    }
}

/// The database row of a session.
struct SessionRow: Codable, FetchableRecord, PersistableRecord {
    static let databaseTableName = "session"

    let id: String
    let stage: String
    let client: String
    let app: String?
    let base: String?
    let vm: String?
    let forwards: String
    let received_bytes: Int
    let place: Int?
    let created: Int
    let ended: Int?
    let reason: String?
    let failure: String?
    let boot_reason: String?

    init(_ record: SessionRecord) {
        id = record.id.description
        stage = record.stage.rawValue
        client = record.client
        app = record.app
        base = record.base
        vm = record.vm
        forwards = record.forwards.joined(separator: "\n")
        received_bytes = record.receivedBytes
        place = record.place
        created = record.created
        ended = record.ended
        reason = record.reason
        failure = record.failure
        boot_reason = record.bootReason
    }

    var record: SessionRecord? {
        guard let number = UInt64(id), let stage = SynthesisStage(rawValue: stage) else { return nil }
        var record = SessionRecord(
            id: SessionID(number), stage: stage, client: client, created: created)
        record.app = app
        record.base = base
        record.vm = vm
        record.forwards = forwards.split(separator: "\n").map(String.init)
        record.receivedBytes = received_bytes
        record.place = place
        record.ended = ended
        record.reason = reason
        record.failure = failure
        record.bootReason = boot_reason
        return record
    }
}
