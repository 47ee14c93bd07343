// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import Glibc
package import SystemPackage

/// Commands in messages. A user can copy them into a shell in any directory.
package enum Shell {
    /// A command that consists of these words.
    package static func command(_ words: String...) -> String { words.map(word).joined(separator: " ") }

    /// An absolute path as one word. It names the same file in every directory and can't be taken for an option.
    package static func path(_ path: FilePath) -> String { word(path.absolute.string) }

    /// A text as one word for any shell (POSIX.1, Shell Command Language, 2.2). Characters that a terminal
    /// would interpret, or can't show, are written as octal numbers (printf).
    package static func word(_ text: String) -> String {
        if !text.isEmpty, text.utf8.allSatisfy(isPlain) { return text }
        guard text.displayable(limit: .max) != text else {
            return "'" + text.replacing("'", with: "'\\''") + "'"
        }
        let bytes = text.utf8.map { byte in
            isPlain(byte) || byte == 0x20
                ? String(UnicodeScalar(byte)) : "\\" + String(Int(byte) + 0o1000, radix: 8).dropFirst()
        }
        return "\"$(printf '" + bytes.joined().replacing("%", with: "%%") + "')\""
    }

    private static func isPlain(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        case UInt8(ascii: "/"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "+"),
            UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "@"), UInt8(ascii: "%"), UInt8(ascii: "="):
            true
        default: false
        }
    }
}

extension FilePath {
    /// The absolute path; a relative one starts at the working directory.
    package var absolute: FilePath {
        if isAbsolute { return self }
        guard let directory = unsafe getcwd(nil, 0) else { return self }
        defer { unsafe free(directory) }
        return FilePath(unsafe String(cString: directory)).pushing(self)
    }

    /// A path that does not exist yet: this one, or this one with a number after its stem.
    package var firstFree: FilePath {
        var candidate = self
        var number = 2
        while unsafe faccessat(AT_FDCWD, candidate.string, F_OK, AT_SYMLINK_NOFOLLOW) == 0, let name = lastComponent {
            let end = name.extension.map { ".\($0)" } ?? ""
            candidate = removingLastComponent().appending("\(name.stem)-\(number)\(end)")
            number += 1
        }
        return candidate
    }
}
