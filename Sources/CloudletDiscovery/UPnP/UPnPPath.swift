// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

/// Paths of the node's HTTP server.
package enum UPnPPath {
    /// The device description; LOCATION points here.
    package static let description = "/upnp/device.xml"
    /// The node's status document as JSON, by which finders verify the node.
    package static let status = "/v1/node"
}
