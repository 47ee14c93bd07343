import GRDB
import GRDBSQLite

extension Database {
    /// Has SQLite keep the log and the index beside the database when the last program closes it
    /// (SQLITE_FCNTL_PERSIST_WAL). On a full disk they could not be made again, and then nothing could be read or changed.
    func keepHelperFiles() throws {
        var keeps: CInt = 1
        let code = unsafe sqlite3_file_control(sqliteConnection, nil, SQLITE_FCNTL_PERSIST_WAL, &keeps)
        guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
    }
}
