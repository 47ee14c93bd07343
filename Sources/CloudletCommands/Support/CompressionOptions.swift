import ArgumentParser
import CloudletCommandLine
import CloudletCompression
import CloudletCore
import CloudletSynthesis

/// Options for writing an overlay.
struct CompressionOptions: ParsableArguments {
    @Option(help: "xz, which every node reads, or zstd, which decodes faster and needs a node of this version.")
    var compression: Method = .xz

    @Option(help: "xz 0 to 9 (default 6), zstd 1 to 19 (default 9): higher is smaller and slower.")
    var level: Int?

    @Option(name: .customLong("blob-size"), help: "Content of a blob before compression, e.g. 512K or 16M.")
    var blobSize: SizeArgument?

    @Option(
        name: .customLong("compression-memory"),
        help: "Memory for compressing; with more, more cores are used (default 192M).")
    var memory: SizeArgument?

    @Option(help: "Look for repeats in the last 2^N bytes of a blob (16 to 26).")
    var long: Int?

    /// A compression by its name.
    enum Method: String, ExpressibleByArgument, CaseIterable {
        case xz, zstd
    }

    /// Sets the chosen values in an overlay's options.
    func apply(to options: inout OverlayOptions) throws(CloudletError) {
        options.compression = try Compressor.Options(
            compression == .xz ? .xz : .zstd, level: level, historyLog: long)
        if let memory { options.compressionMemory = memory.bytes }
        if let blobSize {
            guard (64 << 10...1 << 30).contains(blobSize.bytes) else {
                throw CloudletError(
                    .usage, "blobs of \(blobSize.bytes) bytes are not written", advice: "give 64K to 1G")
            }
            options.blobBytes = blobSize.bytes
        }
    }
}
