import CloudletCore

/// Hashes that are computed only once.
enum PageHash {
    /// SHA-256 of 4096 zero bytes.
    static let zero = SHA256Digest(hashing: [UInt8](repeating: 0, count: Page.size).span)
}
