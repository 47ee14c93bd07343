// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// The version of all programs.
package enum ProgramVersion {
    /// The version as text.
    package static let text = "1.0.0"
}
