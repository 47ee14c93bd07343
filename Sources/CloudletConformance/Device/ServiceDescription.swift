import CloudletCore
import CloudletMarkup

extension WebAddress {
    /// Fetches an XML document.
    /// - Throws: `CloudletError` when it is not well formed.
    func markup() async throws(CloudletError) -> MarkupElement {
        try MarkupParser().parse(await HTTPProbe.get(self).body)
    }
}

/// A service's description (UDA 2.0 §2.5), read generously.
extension MarkupElement {
    /// The name of the first action that takes nothing.
    var actionWithoutArguments: String? {
        child("actionList")?.children("action").first { action in
            (action.child("argumentList")?.children("argument") ?? []).allSatisfy { $0.text(of: "direction") == "out" }
        }?.text(of: "name")
    }

    /// The names of the variables whose changes are told.
    var eventedVariables: Set<String> {
        let variables = child("serviceStateTable")?.children("stateVariable") ?? []
        return Set(variables.filter { $0.attributes["sendEvents"] != "no" }.compactMap { $0.text(of: "name") })
    }
}
