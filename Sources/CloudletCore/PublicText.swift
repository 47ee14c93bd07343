extension CloudletError {
    /// What strangers may be told: the message and those causes that speak of what they sent, without the places, programs
    /// and processes of this machine. The log has ``description``.
    ///
    /// Every error that leaves for the network passes through here.
    package var publicDescription: String { sentence { $0 is any PublicError }.withoutLocalDetails }
}

/// An error about what came over the network or out of a file given: its words tell nothing of this machine.
package protocol PublicError: Error {}

extension String {
    /// The text without what is nobody's business but this machine's users': file names with their directories, names and
    /// numbers of processes.
    package var withoutLocalDetails: String {
        // Longer texts are no sentences of ours.
        cut(toBytes: 4000)
            .replacing(/by [^:;]*?\([0-9]+\)(?:, [^:;]*?\([0-9]+\))*/, with: "by another program")
            .replacing(/(?:\b[Pp]rocess(?:es)?(?: number)?|\b[Pp][Ii][Dd]:?|\bkill(?: -[A-Z0-9]+)?)[ =]+[0-9]+/) { _ in
                "a process"
            }
            .replacing(Self.quotedPath) { "\($0.1)a local file\($0.1)" }
            .replacing(Self.path) { "\($0.1)a local file" }
    }

    /// An absolute path between quotes, which may have blanks, or an address of something local.
    private static var quotedPath: Regex<(Substring, Substring)> {
        /(['"])(?:[a-z+]+:(?=\/(?:\/\/|[^\/])))?\/[^'"]*['"]/
    }

    /// An absolute path at the start of a word, or an address of something local (`qemu:///`, `unix:/run`). Web
    /// addresses stay: their slashes follow a colon and have a host behind them.
    private static var path: Regex<(Substring, Substring)> {
        /(^|[\s=,(\[{<])(?:[a-z+]+:(?=\/(?:\/\/|[^\/])))?\/(?:[^\s'"`;,:)\]}>]|:(?=\S))+/
    }
}
