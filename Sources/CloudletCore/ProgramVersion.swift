/// The version of all programs.
public enum ProgramVersion {
    /// The version as text.
    public static let text = "1.0.0"
}
