/// Where the node's HTTP server offers what UPnP names.
public enum UPnPPath {
    /// The device description; LOCATION points here.
    public static let description = "/upnp/device.xml"
    /// The node's status as JSON, by which finders verify it.
    public static let status = "/v1/node"
}
