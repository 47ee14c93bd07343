import CloudletCore
import CloudletStore
import SystemPackage

/// Finds registered base VMs for commands.
enum BaseLookup {
    /// The base VM with this disk.
    /// - Throws: `CloudletError.notFound` with what to do.
    static func registered(_ disk: String, _ home: CloudletHome) throws(CloudletError) -> BaseVM {
        let path = try CloudletHome.resolve(FilePath(disk))
        guard let base = try Registry(home.database).base(disk: path) else {
            throw CloudletError(
                .notFound, "\(path) is no base VM",
                advice: "make one with 'cloudlet base \(path)', or see 'cloudlet list-base'")
        }
        return base
    }
}
