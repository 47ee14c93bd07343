// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Thrown when a text is not a valid value of a setting.
package struct InvalidSetting: Error {
    /// The text, or the invalid element of a list.
    let text: String
    /// The reason, if the expected form does not explain it.
    var reason: String?
}
