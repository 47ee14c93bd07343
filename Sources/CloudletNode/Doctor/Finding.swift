// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The result of checking one part of the machine.
package struct Finding: Sendable, Hashable, Codable {
    /// The severity of a finding.
    package enum State: String, Sendable, Hashable, Codable {
        /// The part works.
        case ok
        /// The part works, but not as well as it could.
        case warn
        /// The part prevents a node from working.
        case fail
    }

    /// The part that was checked.
    package let check: String
    /// The severity.
    package let state: State
    /// What was found.
    package let detail: String
    /// A command that fixes the problem; `nil` if there is none.
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
