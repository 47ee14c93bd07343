package import CloudletCore

/// Decompresses one blob, whatever its method: the one place where compressed bytes of others are taken in.
package struct Decompressor: ~Copyable {
    /// The method.
    package let method: CompressionMethod
    private var xz: XZDecoder?
    private var zstd: ZstdDecoder?

    /// A decompressor at the start of a blob.
    package init(_ method: CompressionMethod) throws(CloudletError) {
        self.method = method
        switch method {
        case .xz:
            xz = try XZDecoder()
            zstd = nil
        case .zstd:
            xz = nil
            zstd = try ZstdDecoder()
        }
    }

    /// Goes to the start of another blob of the same method; the memory is used again.
    package mutating func restart() throws(CloudletError) {
        try xz?.restart()
        zstd?.restart()
    }

    /// How many bytes of memory the blob takes as far as it was read. Little of it is used before as much has come out.
    package var memoryBytes: Int {
        mutating get { xz?.memoryBytes ?? zstd?.memoryBytes ?? 0 }
    }

    /// Decompresses `input`, handing the output to `body` in pieces of at most 64 KiB.
    /// - Throws: what `body` throws, or `CloudletError.badData` with byte and a `CompressionError` as cause.
    package mutating func decode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        try xz?.decode(input, body)
        try zstd?.decode(input, body)
    }

    /// Fails unless the compressed bytes were complete.
    package func finish() throws(CloudletError) {
        try xz?.finish()
        try zstd?.finish()
    }
}
