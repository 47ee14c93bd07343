// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension Requirement {
    /// One node as both protocols and finders show it.
    static let across = [
        Requirement("X01", .policy, "UDN and TXT id are the same", "-"),
        Requirement("X02", .policy, "friendlyName and instance name are the same, also after a change", "-"),
        Requirement("X03", .policy, "both protocols report the end of a node within 2 s", "-"),
        Requirement("X04", .policy, "both protocols follow a changed address within 3 s", "-"),
        Requirement(
            "X05", .policy, "a finder shows one line for each node over protocols, families and interfaces", "-"),
        Requirement("X06", .policy, "a finder shows hostile names harmlessly", "-"),
    ]
}
