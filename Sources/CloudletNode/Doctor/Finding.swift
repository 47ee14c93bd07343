/// What the doctor found out about one part of the machine.
package struct Finding: Sendable, Hashable, Codable {
    /// How bad it is.
    package enum State: String, Sendable, Hashable, Codable {
        /// Works.
        case ok
        /// Works, but less well than it could.
        case warn
        /// A node can't do its work like this.
        case fail
    }

    /// The part.
    package let check: String
    /// How bad it is.
    package let state: State
    /// What was found.
    package let detail: String
    /// A command that puts it right; `nil` when nothing is wrong.
    package let fix: String?

    private init(_ check: String, _ state: State, _ detail: String, _ fix: String?) {
        self.check = check
        self.state = state
        self.detail = detail
        self.fix = fix
    }

    static func ok(_ check: String, _ detail: String) -> Finding { Finding(check, .ok, detail, nil) }

    static func warn(_ check: String, _ detail: String, fix: String) -> Finding { Finding(check, .warn, detail, fix) }

    static func fail(_ check: String, _ detail: String, fix: String) -> Finding { Finding(check, .fail, detail, fix) }
}
