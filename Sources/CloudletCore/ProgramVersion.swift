/// The version of all programs.
package enum ProgramVersion {
    /// The version as text.
    package static let text = "1.0.0"
}
