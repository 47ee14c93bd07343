// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Why and how a VM was booted from its disk on a host that can't run it as it was saved. Its memory is not a saved one, so
/// what programs had not written to the disk is missing.
public struct BootReport: Hashable, Sendable {
    /// Why the host can't run the VM as it was saved.
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
            "the VM was booted from its disk, because it could not run as it was saved: \(reason)",
            "the guest's own boot starts its programs; what they had not written to the disk is missing",
        ] + differences
    }
}
