// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
package import CloudletDiscovery
import CloudletMarkup
package import CloudletSystem
import HTTPTypes
import Hummingbird
import NIOCore

/// The page for people who open the node from a list of UPnP devices (UDA 2.0 §5): plain HTML that works without
/// scripts. Unknown query strings are accepted, because some systems append one.
package struct PresentationPage: Sendable {
    private let record: CurrentValue<NodeRecord>

    /// Creates a page about `record`.
    package init(record: CurrentValue<NodeRecord>) { self.record = record }

    /// Adds the page at `/`.
    package func add(to router: NodeRouter) {
        router.get("/") { [record] _, _ in
            Response(
                status: .ok,
                headers: [
                    .contentType: "text/html; charset=utf-8", .cacheControl: "no-store",
                    .contentSecurityPolicy: "default-src 'none'; style-src 'unsafe-inline'",
                ], body: ResponseBody(byteBuffer: ByteBuffer(string: Self.html(record.value))))
        }
    }

    static func html(_ record: NodeRecord) -> String {
        let name = record.name.escapedForXML
        func row(_ base: HeldBase, _ note: String) -> String {
            "<tr><td>\(base.name.displayable().escapedForXML)</td><td><code>\(base.hash.short)</code>\(note)</td></tr>"
        }
        let bases = (record.bases.map { row($0, "") } + record.bootableBases.map { row($0, " can only boot") }).joined()
        return """
            <!doctype html>
            <html lang="en"><head><meta charset="utf-8"><title>\(name)</title>
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <style>body{font:16px sans-serif;margin:2em auto;max-width:40em;padding:0 1em}
            table{border-collapse:collapse}td,th{padding:.2em 1em .2em 0;text-align:left}</style></head>
            <body><h1>\(name)</h1><p>Cloudlet node <code>\(record.id)</code></p>
            <table><tr><th>Synthesis port</th><td>\(record.synthesisPort)</td></tr>
            <tr><th>Sessions</th><td>\(record.sessions)</td></tr>
            <tr><th>Load</th><td>\(record.loadPercent) %</td></tr>
            <tr><th>Free memory</th><td>\(record.freeMemory)</td></tr></table>
            <h2>Base VMs</h2><table>\(bases.isEmpty ? "<tr><td>none</td></tr>" : bases)</table>
            <p><a href="\(UPnPPath.status)">status (JSON)</a> · <a href="\(UPnPPath.description)">device description (XML)</a></p>
            </body></html>

            """
    }
}
