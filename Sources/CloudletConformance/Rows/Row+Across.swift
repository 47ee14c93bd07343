extension Row {
    /// What both protocols, and finders, make of one node.
    static let across = [
        Row("X01", .policy, "UDN and TXT id are the same", "-"),
        Row("X02", .policy, "friendlyName and instance name are the same, also after a change", "-"),
        Row("X03", .policy, "both protocols lose a node that ends within 2 s", "-"),
        Row("X04", .policy, "both protocols follow a changed address within 3 s", "-"),
        Row("X05", .policy, "a finder shows one line a node over protocols, families and interfaces", "-"),
        Row("X06", .policy, "a finder shows hostile names harmlessly", "-"),
    ]
}
