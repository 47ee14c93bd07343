// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Glibc

extension MutableSpan<UInt8> {
    /// Overwrites the bytes from `position` on with `bytes`. They must fit.
    package mutating func copy(_ bytes: Span<UInt8>, to position: Int) {
        precondition(position >= 0 && bytes.count <= count - position, "bytes past the end")
        unsafe withUnsafeMutableBytes { target in
            unsafe bytes.withUnsafeBytes { source in
                guard let to = target.baseAddress, let from = source.baseAddress else { return }
                _ = unsafe memcpy(to + position, from, source.count)
            }
        }
    }

    /// Copies `length` bytes from `source` to `target`, which must come later, one after the other: where the ranges
    /// overlap, the bytes just written are read again and so repeat.
    package mutating func repeatBytes(from source: Int, to target: Int, count length: Int) {
        guard length > 0 else { return }
        precondition(source >= 0 && source < target && length <= count - target, "bytes outside the span")
        unsafe withUnsafeMutableBytes { bytes in
            guard source + length <= target, let start = bytes.baseAddress else {
                for index in 0..<length { unsafe bytes[target + index] = bytes[source + index] }
                return
            }
            _ = unsafe memcpy(start + target, start + source, length)
        }
    }
}
