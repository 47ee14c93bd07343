// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCompression
import CloudletCore
import Testing

/// The problem that a decoder reports in `body`, which must throw.
func problem(_ body: () throws -> Void) -> CompressionError? {
    let error = #expect(throws: CloudletError.self) { try body() }
    return error?.cause as? CompressionError
}
