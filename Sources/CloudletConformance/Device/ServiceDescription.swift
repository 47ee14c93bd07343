// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletMarkup

extension WebAddress {
    /// Downloads an XML document.
    /// - Throws: `CloudletError` when it is not well-formed.
    func markup() async throws(CloudletError) -> MarkupElement {
        try MarkupParser().parse(await HTTPProbe.get(self).body)
    }
}

/// Reads a service description (UDA 2.0 §2.5) leniently.
extension MarkupElement {
    /// The name of the first action without arguments.
    var actionWithoutArguments: String? {
        child("actionList")?.children("action").first { action in
            (action.child("argumentList")?.children("argument") ?? []).allSatisfy { $0.text(of: "direction") == "out" }
        }?.text(of: "name")
    }

    /// The names of the evented variables.
    var eventedVariables: Set<String> {
        let variables = child("serviceStateTable")?.children("stateVariable") ?? []
        return Set(variables.filter { $0.attributes["sendEvents"] != "no" }.compactMap { $0.text(of: "name") })
    }
}
