// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Why and how a VM was booted from its disk on a host that can't run it as it was saved. Its memory is not a saved one, so
/// what programs had not written to the disk is missing.
public struct BootReport: Hashable, Sendable {
    /// Why the host can't run the VM as it was saved.
    public let reason: String
    /// How the VM's machine differs from the one with which the state was saved, one clause for each difference.
    public let differences: [String]
    /// Whether the application has answered after the boot. Only overlays with a readiness port let the host find out; for
    /// others it is `false`, and the guest may still be booting.
    public let applicationAnswered: Bool

    /// Reports these facts.
    package init(reason: String, differences: [String] = [], applicationAnswered: Bool = false) {
        self.reason = reason
        self.differences = differences
        self.applicationAnswered = applicationAnswered
    }

    /// The report as sentences without a period, each of which can be understood without the others.
    package var lines: [String] {
        var lines = [
            "\(Self.summary): \(reason)",
            "the booted guest starts its programs anew; what they had not written to the disk before is missing",
        ]
        if !differences.isEmpty {
            lines.append(
                "the VM was booted on another machine than the saved one: \(differences.joined(separator: "; "))")
        }
        if !applicationAnswered {
            lines.append(
                "the booted guest may not have started the application yet: the overlay names no readiness port to wait for"
            )
        }
        return lines
    }

    /// What happened, without the reason.
    package static let summary = "the VM was booted from its disk, because it could not run as it was saved"
}
