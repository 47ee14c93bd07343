// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

package import CloudletCore
import CloudletSystem
import GRDB
package import SystemPackage

/// The registry of base VMs in SQLite. Several processes may use one database at the same time (WAL).
package final class Registry: Sendable {
    private let database: any DatabaseWriter
    private let path: FilePath
    /// Whether this process has the database for itself.
    private let isAlone: Bool

    /// Opens the database and brings its tables up to date.
    /// - Parameters:
    ///   - path: the database.
    ///   - timeout: how long each call waits while another program has locked the database.
    /// - Throws: `CloudletError` when the database can't be opened or brought up to date.
    package init(_ path: FilePath, timeout: Duration = .seconds(10)) throws(CloudletError) {
        (self.path, isAlone) = (path, false)
        do {
            Self.closeToOthers(path)
            let pool = try DatabasePool(path: path.string, configuration: Self.configuration(timeout))
            try Self.migrator.migrate(pool)
            database = pool
        } catch {
            throw Self.failure("can't open the registry", path, error)
        }
    }

    /// Opens the database exclusively. This works on a full disk, where the usual way fails because SQLite has to
    /// create a file for sharing the database (sqlite.org/wal.html, section 8). The tables are not brought up to date.
    package init(alone path: FilePath) throws(CloudletError) {
        (self.path, isAlone) = (path, true)
        do {
            var configuration = Self.configuration(.seconds(1))
            configuration.prepareDatabase { try $0.execute(sql: "PRAGMA locking_mode = EXCLUSIVE") }
            database = try DatabaseQueue(path: path.string, configuration: configuration)
        } catch {
            throw Self.failure("can't open the registry", path, error)
        }
    }

    /// Opens the database for one command. When the disk is full, the entries can still be listed.
    package static func forCommand(_ path: FilePath) throws(CloudletError) -> Registry {
        do throws(CloudletError) { return try Registry(path) } catch {
            guard error.code == .io || error.code == .permission,
                let registry = try? Registry(alone: path), (try? registry.bases()) != nil
            else { throw error }
            return registry
        }
    }

    private static func configuration(_ timeout: Duration) -> Configuration {
        var configuration = Configuration()
        configuration.busyMode = .timeout(timeout.seconds)
        configuration.label = "cloudlet-registry"
        return configuration
    }

    /// Checks whether the database can be changed now.
    /// - Throws: `CloudletError.busy` when another program has locked it.
    package func requireWritable() throws(CloudletError) {
        try write { _ in }
    }

    /// Closes the registry to other users, because it contains session numbers, with which sessions can be ended.
    /// SQLite gives its helper files the permissions of the database. Errors are ignored here: opening the database
    /// reports them.
    private static func closeToOthers(_ path: FilePath) {
        if (try? FileStatus.of(path)) == .some(nil) { _ = try? File(path, .create(permissions: 0o600)) }
        for suffix in ["", "-wal", "-shm"] {
            // The file is not opened: closing it would release the locks of another connection of this process
            // (fcntl(2)).
            let file = FilePath(path.string + suffix)
            guard let status = try? FileStatus.of(file), status.permissions & 0o077 != 0 else { continue }
            try? File.setPermissions(status.permissions & ~0o077, of: file)
        }
    }

    private static var migrator: DatabaseMigrator {
        var migrator = DatabaseMigrator()
        migrator.registerMigration("base VMs") { database in
            try database.create(table: BaseVMRow.databaseTableName) { table in
                table.primaryKey("disk_path", .text)
                table.column("hash_value", .text).notNull().unique()
                table.column("memory_hash", .text).notNull()
                table.column("disk_bytes", .integer).notNull()
                table.column("disk_modified", .integer).notNull()
                table.column("memory_bytes", .integer).notNull()
                table.column("accelerator", .text).notNull()
                table.column("created", .integer).notNull()
            }
        }
        addSessions(&migrator)
        migrator.registerMigration("stamps of base VMs") { database in
            try database.alter(table: BaseVMRow.databaseTableName) { table in
                for column in ["disk_data", "memory_data", "seen", "refused"] { table.add(column: column, .text) }
            }
        }
        migrator.registerMigration("modes of base VMs' disks") { database in
            try database.alter(table: BaseVMRow.databaseTableName) { $0.add(column: "disk_mode", .integer) }
        }
        removeStopMarks(&migrator)
        addBoots(&migrator)
        return migrator
    }

    /// All base VMs, by path. Damaged entries are left out, so that the others can still be used.
    package func bases() throws(CloudletError) -> [BaseVM] {
        try entries().compactMap { try? $0.baseVM() }
    }

    /// The disks of damaged entries, by path; ``removeDamaged(disk:)`` removes them.
    package func damaged() throws(CloudletError) -> [FilePath] {
        try entries().filter { (try? $0.baseVM()) == nil }.map(\.disk)
    }

    private func entries() throws(CloudletError) -> [BaseVMEntry] {
        try read { database in
            try Row.fetchAll(database, BaseVMRow.order(Column("disk_path"))).map { BaseVMEntry($0) }
        }
    }

    /// The base VM with this disk, given by its absolute path.
    package func base(disk: FilePath) throws(CloudletError) -> BaseVM? {
        try read { try Row.fetchOne($0, BaseVMRow.filter(key: disk.string)).map { BaseVMEntry($0) } }?.baseVM()
    }

    /// The base VM with this identity.
    package func base(hash: SHA256Digest) throws(CloudletError) -> BaseVM? {
        try read { database in
            try Row.fetchOne(database, BaseVMRow.filter(Column("hash_value") == hash.hex)).map { BaseVMEntry($0) }
        }?.baseVM()
    }

    /// Adds a base VM.
    /// - Throws: `CloudletError.cannotCreate` when its disk, or a disk with the same content, is already registered.
    package func add(_ base: BaseVM) throws(CloudletError) {
        try requireUnknown(base)
        try writeDurably { try BaseVMRow(base).insert($0) }
    }

    /// Throws an error if the disk of a base VM, or a disk with the same content, is already registered.
    package func requireUnknown(_ base: BaseVM) throws(CloudletError) {
        if try self.base(disk: base.files.disk) != nil {
            throw CloudletError(
                .cannotCreate, "\(base.files.disk) is registered already",
                advice: "use it, or remove it first; run: "
                    + Shell.command("cloudlet", "del-base", base.files.disk.string))
        }
        if let other = try self.base(hash: base.hash) {
            throw CloudletError(
                .cannotCreate, "a disk with the same content is registered already: \(other.files.disk)",
                advice: "use that one, or remove it from the registry; run: "
                    + Shell.command("cloudlet", "del-base", other.files.disk.string))
        }
    }

    /// Records the stamp of a base VM's images after they were compared with the registered data, and whether they
    /// matched.
    package func note(_ stamp: BaseStamp, isAsRegistered: Bool, of disk: FilePath) throws(CloudletError) {
        _ = try write { database in
            try BaseVMRow.filter(key: disk.string)
                .updateAll(database, Column(isAsRegistered ? "seen" : "refused").set(to: stamp.text))
        }
    }

    /// Removes the entry of a base VM; its files are kept.
    /// - Returns: the removed entry, or `nil` if there was none.
    package func remove(disk: FilePath) throws(CloudletError) -> BaseVM? {
        let found = try base(disk: disk)
        if found != nil { _ = try removeDamaged(disk: disk) }
        return found
    }

    /// Removes the entry of a disk, even if it is damaged.
    /// - Returns: whether there was an entry.
    package func removeDamaged(disk: FilePath) throws(CloudletError) -> Bool {
        try writeDurably { try BaseVMRow.deleteOne($0, key: disk.string) }
    }

    func read<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) throws(CloudletError) -> Value {
        do { return try isAlone ? database.unsafeRead(body) : database.read(body) } catch {
            throw Self.failure("can't read the registry", path, error)
        }
    }

    func write<Value: Sendable>(_ body: @Sendable (Database) throws -> Value) throws(CloudletError) -> Value {
        do { return try database.write(body) } catch { throw Self.failure("can't change the registry", path, error) }
    }

    /// Makes a change that survives a power cut. Other changes may be lost if they were made moments before (SQLite's
    /// `synchronous`), which saves each session several waits for the disk.
    func writeDurably<Value: Sendable>(
        _ body: @Sendable (Database) throws -> Value
    ) throws(CloudletError) -> Value {
        do {
            return try database.writeWithoutTransaction { database in
                try database.execute(sql: "PRAGMA synchronous = FULL")
                defer { try? database.execute(sql: "PRAGMA synchronous = NORMAL") }
                var value: Value?
                try database.inTransaction {
                    value = try body(database)
                    return .commit
                }
                guard let value else { throw DatabaseError(resultCode: .SQLITE_ABORT) }
                return value
            }
        } catch { throw Self.failure("can't change the registry", path, error) }
    }

    private static let fullDisk = "its disk is full"

    private static func failure(_ what: String, _ path: FilePath, _ error: any Error) -> CloudletError {
        let message = "\(what) \(path)"
        guard let error = error as? DatabaseError else { return .wrapping(error, .io, message) }
        let text = "\(message): \(error.message ?? "SQLite error \(error.resultCode.rawValue)")"
        return switch error.resultCode {
        case .SQLITE_CANTOPEN, .SQLITE_READONLY, .SQLITE_PERM:
            CloudletError(
                .permission, text, advice: "set CLOUDLET_HOME to a directory of yours where files can be written")
        case .SQLITE_NOTADB, .SQLITE_CORRUPT:
            CloudletError(
                .badData, text, advice: "move the file away; bases can be added again with 'cloudlet add-base'")
        case .SQLITE_BUSY, .SQLITE_LOCKED:
            CloudletError(
                .busy, "\(message): another program has locked it", advice: "end that program, or wait for it")
        case .SQLITE_FULL: CloudletError(.io, "\(message): \(Self.fullDisk)", advice: "free space on the disk")
        // SQLite reports only that input or output failed.
        case .SQLITE_IOERR where (try? FileSystem.freeSpace(at: path.removingLastComponent()) < 1 << 20) == true:
            CloudletError(.io, "\(message): \(Self.fullDisk)", advice: "free space on the disk")
        default: CloudletError(.io, text)
        }
    }
}
