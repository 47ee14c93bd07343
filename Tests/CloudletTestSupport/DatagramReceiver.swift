// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Glibc

/// A Unix datagram socket that receives what programs send to it, like a service manager or the journal.
package final class DatagramReceiver: Sendable {
    private let descriptor: Int32

    /// Listens at a path, or at an abstract name that begins with `@`; `nil` when the address is taken.
    package init?(at address: String) {
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        var name = sockaddr_un()
        name.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(address.utf8)
        unsafe withUnsafeMutableBytes(of: &name.sun_path) { unsafe $0.copyBytes(from: bytes) }
        if bytes.first == UInt8(ascii: "@") { name.sun_path.0 = 0 }
        let length = socklen_t(MemoryLayout<sa_family_t>.size + bytes.count)
        let result = unsafe withUnsafePointer(to: &name) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { unsafe bind(descriptor, $0, length) }
        }
        if result != 0 { return nil }
    }

    deinit { close(descriptor) }

    /// The received messages that have not been taken yet.
    package func take() -> [String] {
        var messages: [String] = []
        var buffer = [UInt8](repeating: 0, count: 256 << 10)
        while true {
            let capacity = buffer.count
            let count = unsafe recv(descriptor, &buffer, capacity, Int32(MSG_DONTWAIT))
            guard count > 0 else { return messages }
            messages.append(String(decoding: buffer.prefix(count), as: UTF8.self))
        }
    }
}
