// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Why bytes from the other side are not a valid message, or not allowed in the current state.
package enum WireError: Error, Hashable, Sendable, CustomStringConvertible {
    /// A message that is longer than the limit, by its announced length.
    case messageTooLong(Int, limit: Int)
    /// A message that is not a MessagePack map.
    case malformed(String)
    /// An unknown command.
    case unknownCommand(UInt64?)
    /// A field that is missing or of the wrong type.
    case badField(String)
    /// A command that is not allowed in the current state.
    case unexpected(String)
    /// A size above the limit.
    case tooLarge(String, Int, limit: Int)
    /// A blob that was not requested, or has already arrived.
    case unknownBlob(String)
    /// Another blob than the one during which the previous connection was lost.
    case notTheBrokenOffBlob
    /// More commands than the client may send without waiting for answers.
    case tooManyCommands(limit: Int)
    /// A blob whose announced size differs from the meta's.
    case wrongBlobSize(String, Int, expected: Int)

    /// The error as a sentence.
    package var description: String {
        switch self {
        case .messageTooLong(let length, let limit): "a message of \(length) bytes; at most \(limit) are accepted"
        case .malformed(let reason): "not a message of the synthesis protocol: \(reason)"
        case .unknownCommand(let code): "unknown command \(code.map(String.init) ?? "(none)")"
        case .badField(let field): "the field '\(field)' is missing or wrong"
        case .unexpected(let what): "\(what) is not expected now"
        case .tooLarge(let what, let size, let limit): "\(what) of \(size) bytes; at most \(limit) are accepted"
        case .tooManyCommands(let limit): "more than \(limit) commands at once; wait for the answers"
        case .notTheBrokenOffBlob: "the first blob is not the one that was interrupted"
        case .unknownBlob(let name): "the blob '\(name.displayable(limit: 60))' was not requested"
        case .wrongBlobSize(let name, let size, let expected):
            "the blob '\(name.displayable(limit: 60))' is announced with \(size) bytes, the meta says \(expected)"
        }
    }
}
