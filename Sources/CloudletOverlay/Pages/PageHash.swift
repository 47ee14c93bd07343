// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// Hashes that are computed only once.
enum PageHash {
    /// SHA-256 of 4096 zero bytes.
    static let zero = SHA256Digest(hashing: [UInt8](repeating: 0, count: Page.size).span)
}
