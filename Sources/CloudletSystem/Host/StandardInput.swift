import Glibc

/// Looks at standard input without waiting.
package enum StandardInput {
    /// What there is.
    package enum State: Sendable {
        /// A line was entered; it is consumed.
        case line
        /// Nothing yet.
        case nothing
        /// The input has ended.
        case closed
    }

    /// Consumes the input that there is.
    /// - Returns: what it was.
    package static func poll() -> State {
        var entry = pollfd(fd: STDIN_FILENO, events: Int16(POLLIN), revents: 0)
        guard unsafe Glibc.poll(&entry, 1, 0) > 0 else { return .nothing }
        var buffer = [UInt8](repeating: 0, count: 256)
        let count = unsafe read(STDIN_FILENO, &buffer, buffer.count)
        guard count > 0 else { return .closed }
        return buffer[0..<count].contains(UInt8(ascii: "\n")) ? .line : .nothing
    }
}
