// Who imports the library gets what its interface is made of.
@_exported public import CloudletCore
@_exported public import CloudletDiscovery
@_exported public import CloudletFinding
@_exported public import CloudletOverlay
