// Programs that import the library get the types of its interface: errors, digests, port forwards.
@_exported public import CloudletCore
