/// Where the node's HTTP server offers what UPnP names.
package enum UPnPPath {
    /// The device description; LOCATION points here.
    package static let description = "/upnp/device.xml"
    /// The node's status as JSON, by which finders verify it.
    package static let status = "/v1/node"
}
