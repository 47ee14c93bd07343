import CLzma
package import CloudletCore

/// Decompresses one .xz stream (The .xz File Format 1.2) that arrives in pieces. Memory is bounded by the limit, whatever
/// the size of the output.
package struct XZDecoder: ~Copyable {
    private var stream: LZMAStream
    private let memoryLimit: Int

    /// Creates a decoder that takes at most `memoryLimit` bytes. The original's streams (dictionary 64 MiB) need 65 MiB.
    package init(memoryLimit: Int = 80 << 20) throws(CloudletError) {
        self.memoryLimit = memoryLimit
        do throws(CompressionError) {
            stream = unsafe try LZMAStream(outputBytes: 64 << 10) { raw in
                unsafe lzma_stream_decoder(&raw, UInt64(memoryLimit), 0)
            }
        } catch {
            throw CloudletError(.system, "can't start a decompressor", cause: error)
        }
    }

    /// Starts another stream.
    mutating func restart() throws(CloudletError) {
        do throws(CompressionError) {
            unsafe try stream.restart { raw in unsafe lzma_stream_decoder(&raw, UInt64(memoryLimit), 0) }
        } catch {
            throw CloudletError(.system, "can't start a decompressor", cause: error)
        }
    }

    /// Whether the end of the stream has been read.
    package var isFinished: Bool { stream.ended }

    /// How many bytes of memory the part of the stream read so far takes. The system provides most of it only as output
    /// is produced.
    package var memoryBytes: Int {
        mutating get { stream.memoryBytes }
    }

    /// Decompresses `input` and passes the output to `body` in pieces of at most 64 KiB.
    /// - Throws: the error of `body`, or `CloudletError.badData` with the offset and a `CompressionError` as cause.
    package mutating func decode(
        _ input: Span<UInt8>, _ body: (Span<UInt8>) throws(CloudletError) -> Void
    ) throws(CloudletError) {
        if input.isEmpty { return }
        if stream.ended { throw failure(.trailingBytes) }
        do throws(LZMAFailure<CloudletError>) {
            try stream.run(input, finishing: false, memoryLimit: memoryLimit, body)
        } catch {
            switch error {
            case .library(let problem): throw failure(problem)
            case .consumer(let error): throw error
            }
        }
    }

    /// Checks that the stream is complete.
    /// - Throws: `CloudletError.badData` when it is truncated.
    package func finish() throws(CloudletError) {
        if !stream.ended { throw failure(.truncated) }
    }

    private func failure(_ problem: CompressionError) -> CloudletError {
        CloudletError(.badData, "can't decompress at byte \(stream.position)", cause: problem)
    }
}
