// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension CloudletError {
    /// The text for clients: the message and those causes that concern what the client sent, without paths, programs and
    /// processes of this machine. The log gets ``description``.
    ///
    /// Every error that is sent over the network is sent as this text.
    package var publicDescription: String { sentence { $0 is any PublicError }.withoutLocalDetails }

    /// The same without the advice, for a failure that did not stop the work.
    package var publicReason: String { reason { $0 is any PublicError }.withoutLocalDetails }

    /// The text for users of this machine without the advice, for a failure that did not stop the work.
    package var localReason: String { reason { _ in true } }
}

/// An error about input from the network or from a given file: its description reveals nothing about this machine.
package protocol PublicError: Error {}

extension String {
    /// The text without what only users of this machine may know: paths of files, and names and numbers of processes.
    package var withoutLocalDetails: String {
        // No message of this package is longer.
        cut(toBytes: 4000)
            .replacing(/by [^:;]*?\([0-9]+\)(?:, [^:;]*?\([0-9]+\))*/, with: "by another program")
            .replacing(/(?:\b[Pp]rocess(?:es)?(?: number)?|\b[Pp][Ii][Dd]:?|\bkill(?: -[A-Z0-9]+)?)[ =]+[0-9]+/) { _ in
                "a process"
            }
            .replacing(Self.quotedPath) { "\($0.1)a local file\($0.1)" }
            .replacing(Self.path) { "\($0.1)a local file" }
    }

    /// An absolute path between quotes, which may contain blanks, or a URL of something local.
    private static var quotedPath: Regex<(Substring, Substring)> {
        /(['"])(?:[a-z+]+:(?=\/(?:\/\/|[^\/])))?\/[^'"]*['"]/
    }

    /// An absolute path at the start of a word, or a URL of something local (`qemu:///`, `unix:/run`). URLs with a host
    /// after their slashes don't match.
    private static var path: Regex<(Substring, Substring)> {
        /(^|[\s=,(\[{<])(?:[a-z+]+:(?=\/(?:\/\/|[^\/])))?\/(?:[^\s'"`;,:)\]}>]|:(?=\S))+/
    }
}
