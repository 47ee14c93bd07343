// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletDiscovery

/// The data to publish, and the numbers of the interfaces to publish it on.
struct DesiredPublication: Hashable, Sendable {
    var publication: MDNSPublication
    var interfaces: [Int32: String]
    var withOldName: Bool

    /// The service types.
    var types: [String] { withOldName ? [MDNSPublication.type, MDNSPublication.oldType] : [MDNSPublication.type] }

    /// Whether the two differ in the TXT record at most. The names are not compared.
    func differsOnlyInText(from other: DesiredPublication) -> Bool {
        interfaces == other.interfaces && withOldName == other.withOldName
            && publication.port == other.publication.port && publication.subtypes == other.publication.subtypes
    }
}
