/// The number of a synthesis session: random, exactly 17 decimal digits, as the original's server makes them
/// (so it is never 0, which its clients take for a failure).
public struct SessionID: Hashable, Sendable, CustomStringConvertible {
    /// The number as it goes over the wire.
    public let value: UInt64

    /// From a number received; any value is representable, whether it names a session is another question.
    public init(_ value: UInt64) { self.value = value }

    /// A new random id.
    public static func random() -> SessionID {
        SessionID(UInt64.random(in: 10_000_000_000_000_000...99_999_999_999_999_999))
    }

    /// The decimal digits.
    public var description: String { String(value) }
}
