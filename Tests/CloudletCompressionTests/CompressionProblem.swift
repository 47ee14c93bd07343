import CloudletCompression
import CloudletCore
import Testing

/// What a decoder finds wrong in `body`, which must throw.
func problem(_ body: () throws -> Void) -> CompressionError? {
    let error = #expect(throws: CloudletError.self) { try body() }
    return error?.cause as? CompressionError
}
