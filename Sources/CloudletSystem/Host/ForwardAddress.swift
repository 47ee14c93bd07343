package import CloudletCore
import Glibc
import SystemPackage

/// The address of this host on which forwarded ports of a VM listen. QEMU's user network listens on IPv4 addresses only,
/// takes an empty one for all of them, and is told the address inside of a command, so it is checked before.
package enum ForwardAddress {
    /// Checks the form of an address.
    /// - Returns: why it can't be one; `nil` when it can.
    package static func objection(to text: String) -> String? {
        guard !text.isEmpty else { return "it is empty" }
        var bytes = [UInt8](repeating: 0, count: 16)
        // A NUL would end the text early.
        guard !text.utf8.contains(0) else { return "it is no IPv4 address" }
        if unsafe inet_pton(AF_INET, text, &bytes) == 1 { return nil }
        let plain = text.prefix { $0 != "%" }
        if plain.endIndex < text.endIndex, unsafe inet_pton(AF_INET, String(plain), &bytes) == 1 {
            return "an IPv4 address has no zone ('\(text[plain.endIndex...].displayable(limit: 20))')"
        }
        return unsafe inet_pton(AF_INET6, String(plain), &bytes) == 1
            ? "it is an IPv6 address, and ports can only be forwarded from IPv4 addresses" : "it is no IPv4 address"
    }

    /// Fails unless ports can be forwarded from an address now: it has the form, and it is one of this host's.
    /// - Throws: `CloudletError.usage` for one that never can, `.unavailable` for one that this host has not.
    package static func require(_ text: String) throws(CloudletError) {
        if let objection = objection(to: text) {
            throw CloudletError(
                .usage, "ports can't be forwarded from '\(text.displayable(limit: 60))': \(objection)", advice: advice)
        }
        let socket = socket(AF_INET, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard socket >= 0 else { throw CloudletError(errno: errno, "can't make a socket") }
        defer { close(socket) }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        _ = unsafe inet_pton(AF_INET, text, &address.sin_addr)
        let bound = unsafe withUnsafePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                unsafe bind(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        guard !bound else { return }
        let failure = Errno(rawValue: errno).description
        throw CloudletError(
            .unavailable,
            "ports can't be forwarded from \(text): no interface of this host has that address (\(failure))",
            advice: advice)
    }

    private static let advice =
        "give an IPv4 address of this host, as 127.0.0.1 or that of a LAN interface, or 0.0.0.0 for all of them"
}
