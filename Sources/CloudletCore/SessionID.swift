// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The number of a synthesis session: random, exactly 17 decimal digits, like those of the original's server. It is
/// never 0, which the original's clients treat as a failure.
public struct SessionID: Hashable, Sendable, CustomStringConvertible {
    /// The number as it is sent over the wire.
    public let value: UInt64

    /// Creates an id from a received number. Any value is accepted; it need not belong to a session.
    package init(_ value: UInt64) { self.value = value }

    /// A new random id.
    package static func random() -> SessionID {
        SessionID(UInt64.random(in: 10_000_000_000_000_000...99_999_999_999_999_999))
    }

    /// The decimal digits.
    public var description: String { String(value) }
}
