// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore

/// Why and how this host booted a VM instead of running it as it was saved.
package struct BootCause: Sendable {
    /// Why this host can't run the VM as it was saved.
    package let error: CloudletError
    /// How the VM's machine differs from the one with which the state was saved, one clause for each difference.
    package let differences: [String]
    /// Whether the overlay names a readiness port, on which the application has answered after the boot.
    package let applicationAnswered: Bool

    /// The report for clients, without details of this host.
    package var report: BootReport { report(error.publicReason) }

    /// The report for users of this host.
    package var localReport: BootReport { report(error.localReason) }

    private func report(_ reason: String) -> BootReport {
        BootReport(reason: reason, differences: differences, applicationAnswered: applicationAnswered)
    }
}
