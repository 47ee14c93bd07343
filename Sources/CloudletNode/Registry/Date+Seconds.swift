// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import Foundation

extension Date {
    /// The current time in seconds since 1970.
    static var secondsNow: Int { Int(Date().timeIntervalSince1970) }
}
