/// Why and how a VM was booted from its disk although a state of it was saved. Its memory is not the saved one, so what
/// programs had not written to the disk is missing.
public struct BootReport: Hashable, Sendable {
    /// Why the state was not resumed.
    public let reason: String
    /// How the VM's machine differs from the one with which the state was saved, one clause for each difference.
    public let differences: [String]

    /// Reports these texts.
    package init(reason: String, differences: [String] = []) {
        self.reason = reason
        self.differences = differences
    }

    /// Reports an error as the reason, in the words for clients.
    package init(because error: CloudletError, differences: [String] = []) {
        self.init(reason: error.publicReason, differences: differences)
    }

    /// The report as sentences without a period.
    package var lines: [String] {
        [
            "the VM was booted from its disk, because its saved state could not be resumed: \(reason)",
            "the guest's own boot starts its programs; what was only in the saved memory is missing",
        ] + differences
    }
}
