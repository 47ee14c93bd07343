// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import ArgumentParser

/// How a list is printed.
package enum OutputFormat: String, ExpressibleByArgument, CaseIterable {
    case table
    case json
}
