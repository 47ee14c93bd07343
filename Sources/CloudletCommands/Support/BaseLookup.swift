import CloudletCore
import CloudletStore
import CloudletSynthesis
import SystemPackage

/// Finds registered base VMs for commands.
enum BaseLookup {
    /// The base VM with this disk, its files open and found to be as registered.
    static func open(_ disk: String, _ home: CloudletHome) async throws(CloudletError) -> OpenBase {
        let registry = try Registry(home.database)
        return try await OpenBase.open(try registered(disk, registry), in: registry)
    }

    /// The base VM with this disk.
    /// - Throws: `CloudletError.notFound` with what to do.
    private static func registered(_ disk: String, _ registry: Registry) throws(CloudletError) -> BaseVM {
        let path = try CloudletHome.resolve(FilePath(disk))
        guard let base = try registry.base(disk: path) else {
            throw CloudletError(
                .notFound, "\(path) is no base VM",
                advice: "make one with 'cloudlet base \(path)', or see 'cloudlet list-base'")
        }
        return base
    }
}
