// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletNetwork

/// A valid M-SEARCH (UDA 2.0 §1.3.2).
package struct SSDPSearch: Hashable, Sendable {
    /// The search target (ST).
    package let target: String
    /// The longest delay of the answer in seconds (MX); `nil` for a unicast search, which gets its answer at once.
    package let maximumWait: Int?

    /// Checks a request sent to `group`: MAN needs its quotes, HOST must be the group, MX a whole number (0 counts as 1,
    /// more than 5 as 5).
    package init?(multicast message: SSDPMessage, to group: IPAddress) {
        guard let target = Self.target(of: message),
            message["HOST"].flatMap({ Endpoint($0) }) == Endpoint(group, 1900),
            let field = message["MX"], field.utf8.count <= 9, field.utf8.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }),
            let wait = Int(field)
        else { return nil }
        self.target = target
        maximumWait = min(max(wait, 1), 5)
    }

    /// Checks a request sent to one of the node's own addresses: MAN needs its quotes, HOST must be an address and a port.
    /// MX is ignored.
    package init?(unicast message: SSDPMessage) {
        guard let target = Self.target(of: message), let host = message["HOST"], Endpoint(host) != nil else {
            return nil
        }
        self.target = target
        maximumWait = nil
    }

    private static func target(of message: SSDPMessage) -> String? {
        guard message.startLine == .search, message["MAN"] == "\"ssdp:discover\"", let target = message["ST"],
            !target.isEmpty, target.utf8.count <= 256
        else { return nil }
        return target
    }
}
