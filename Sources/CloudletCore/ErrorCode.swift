// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

extension CloudletError {
    /// A kind of failure. New kinds can be added without breaking a `switch` elsewhere.
    public struct Code: Hashable, Sendable, CustomStringConvertible {
        /// A short stable word, as it appears in JSON output and logs.
        public let description: String
        /// The exit status of a program that fails with this code, from sysexits(3) where that has a suitable one.
        public let exitStatus: Int32
        /// The status of an HTTP response that reports this failure.
        package let httpStatus: Int

        private init(_ description: String, exit: Int32, http: Int) {
            self.description = description
            self.exitStatus = exit
            self.httpStatus = http
        }

        /// No node answered a search (`cloudlet-find`).
        public static let noNode = Code("no-node", exit: 2, http: 404)
        /// There is no network to search on (`cloudlet-find`).
        public static let noNetwork = Code("no-network", exit: 3, http: 503)
        /// The command line or a configuration value is wrong.
        public static let usage = Code("usage", exit: 64, http: 400)
        /// Input data (an overlay, a base VM, a disk image) is damaged or of the wrong kind.
        public static let badData = Code("bad-data", exit: 65, http: 422)
        /// A named file, base VM, session or node does not exist.
        public static let notFound = Code("not-found", exit: 66, http: 404)
        /// The hypervisor, the node or a helper program is missing or does not work.
        public static let unavailable = Code("unavailable", exit: 69, http: 503)
        /// A defect of this program.
        public static let defect = Code("defect", exit: 70, http: 500)
        /// An operating-system call failed, and neither the input nor the configuration is the reason.
        public static let system = Code("system", exit: 71, http: 500)
        /// An output file or directory can't be created, or exists already.
        public static let cannotCreate = Code("cannot-create", exit: 73, http: 500)
        /// Reading or writing failed.
        public static let io = Code("io", exit: 74, http: 500)
        /// A resource (memory, disk, port, session) is in use; trying again later may succeed.
        public static let busy = Code("busy", exit: 75, http: 503)
        /// The other side broke the protocol or went away.
        public static let protocolViolation = Code("protocol", exit: 76, http: 400)
        /// The user lacks a permission.
        public static let permission = Code("permission", exit: 77, http: 403)
        /// The configuration file is wrong.
        public static let configuration = Code("configuration", exit: 78, http: 500)
        /// The user or a signal ended the operation.
        public static let interrupted = Code("interrupted", exit: 130, http: 503)

        /// Every code, for documentation and tests.
        package static let all: [Code] = [
            .noNode, .noNetwork, .usage, .badData, .notFound, .unavailable, .defect, .system, .cannotCreate, .io,
            .busy, .protocolViolation, .permission, .configuration, .interrupted,
        ]
    }
}
