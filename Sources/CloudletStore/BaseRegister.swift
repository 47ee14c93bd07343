package import CloudletCore
package import SystemPackage

/// Where the entry of a base VM is found, and what was found out of its files is noted.
package protocol BaseRegister: Sendable {
    /// The entry of the base VM with this disk, as it is now.
    func base(disk: FilePath) async throws(CloudletError) -> BaseVM?

    /// Notes what the file system says of the images of a base VM that were found to be as registered, or others.
    func note(_ stamp: BaseStamp, isAsRegistered: Bool, of disk: FilePath) async throws(CloudletError)
}

extension Registry: BaseRegister {}
