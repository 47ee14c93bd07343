// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletStore
import CloudletSystem
import CloudletTestSupport
import Foundation
import Glibc
import SystemPackage
import Testing

@testable import CloudletCommands

extension CommandTests {
    /// `list-base`, `add-base`, `del-base`.
    @Suite struct BaseRegistryCommandTests {
        private let home: Home
        init() throws { home = try Home() }

        @Test("without base VMs the table has its header only, and the JSON form is an empty list")
        func empty() async {
            let table = await home.run("list-base")
            #expect(table.status == 0 && table.rows == ["HASH DISK MEMORY ACCELERATOR STATE PATH"])
            let json = await home.run("list-base", "--format", "json")
            #expect(json.status == 0 && json.output.filter { !$0.isWhitespace } == "[]")
        }

        @Test("base VMs are listed by path, with the state of their files")
        func list() async throws {
            let (one, two) = (home.base("one.raw"), home.base("two\u{1B}[2J.raw", content: 2))
            try home.registry().add(two)
            try home.registry().add(one)
            let table = await home.run("list-base")
            #expect(table.status == 0)
            #expect(table.rows.dropFirst().first == "\(one.hash) 2 GiB 1 GiB tcg missing \(one.files.disk)")
            #expect(table.rows.count == 3 && !table.output.contains("\u{1B}"), "\(table.output)")
            let json = await home.run("list-base", "--format", "json")
            let entries = try #require(
                try JSONSerialization.jsonObject(with: Data(json.output.utf8)) as? [[String: Any]])
            #expect(entries.count == 2)
            let entry = try #require(entries.first)
            #expect(entry["hash"] as? String == one.hash.hex && entry["path"] as? String == one.files.disk.string)
            #expect(entry["memory_hash"] as? String == one.memoryHash.hex)
            #expect(entry["disk_bytes"] as? Int == 2 << 30 && entry["memory_bytes"] as? Int == 1 << 30)
            #expect(entry["created"] as? String == "2023-11-14T22:13:20Z" && entry["state"] as? String == "missing")
        }

        @Test("base VMs are listed also when the node's configuration is not valid")
        func invalidConfiguration() async throws {
            let base = home.base("one.raw")
            try home.registry().add(base)
            try Data("nonsense: [".utf8).write(to: URL(filePath: home.path.appending("cloudlet.yaml").string))
            let listed = await home.run("list-base")
            #expect(listed.status == 0 && listed.rows.count == 2, "\(listed)")
        }

        @Test("a damaged entry is reported on standard error with a command that removes it")
        func damaged() async throws {
            let (one, two) = (home.base("one's.raw"), home.base("two.raw", content: 2))
            try home.registry().add(one)
            try home.registry().add(two)
            let code = """
                import sqlite3, sys
                c = sqlite3.connect(sys.argv[1])
                c.execute("UPDATE base_vm SET memory_bytes = -1 WHERE disk_path = ?", (sys.argv[2],)); c.commit()
                """
            let database = home.path.appending("cloudlet.db").string
            #expect(try await Tool.run("python3", ["-c", code, database, one.files.disk.string]).status == 0)
            let listed = await home.run("list-base")
            #expect(listed.status == 0 && listed.rows.count == 2)
            #expect(listed.errors.contains(Shell.command("cloudlet", "del-base", one.files.disk.string)))
            let removed = await home.run("del-base", one.files.disk.string)
            #expect(removed.status == 0 && removed.output.contains("is removed"), "\(removed)")
            #expect(await home.run("list-base").errors.isEmpty)
        }

        @Test("a base VM whose disk no longer exists is removed by its path, and only once")
        func delete() async throws {
            let base = home.base("gone.raw")
            try home.registry().add(base)
            let removed = await home.run("del-base", base.files.disk.string)
            #expect(removed.status == 0, "\(removed)")
            #expect(removed.output.contains("\(base.hash) is no longer registered"))
            // There is no disk left to make writable.
            #expect(removed.errors.isEmpty, "\(removed)")
            let again = await home.run("del-base", base.files.disk.string)
            #expect(again.status == 66 && again.errors.contains("see 'cloudlet list-base'"), "\(again)")
        }

        @Test("a disk without a boot sector and a wrong hash are refused with the reason")
        func add() async throws {
            _ = try home.scratch.write("disk.raw", [UInt8](repeating: 1, count: 8192))
            let disk = home.scratch.file("disk.raw").string
            let bare = await home.run("add-base", disk)
            #expect(bare.status == 66 || bare.status == 65, "\(bare)")
            #expect(bare.errors.contains("no boot sector"), "\(bare.errors)")
            let hash = await home.run("add-base", disk, String(repeating: "g", count: 64))
            #expect(hash.status == 64 && hash.errors.contains("64 hexadecimal digits"), "\(hash.errors)")
            #expect(try home.registry().bases().isEmpty)
        }

        @Test(
            "base VMs and sessions are listed on a full disk, and del-base reports that the disk is full",
            .enabled(if: geteuid() == 0))
        func fullDisk() async throws {
            let base = home.base("one.raw")
            try home.registry().add(base)
            let program = Repository.programs.appending("cloudlet").string
            let script = """
                set -e
                mkdir "$1/full"; mount -t tmpfs -o size=256k,mode=700 tmpfs "$1/full"; cp "$1/home"/cloudlet.db* "$1/full"
                rm -f "$1/full"/cloudlet.db-*
                ! head -c 1M /dev/zero > "$1/full/zeros" 2>/dev/null
                export CLOUDLET_HOME="$1/full"
                test $(stat -f -c %f "$1/full") = 0
                '\(program)' list-base --format json
                '\(program)' list-session --all
                '\(program)' del-base "$2" || echo "status $?"
                '\(program)' list-base
                """
            let result = try await Tool.run(
                "unshare",
                ["-m", "sh", "-c", script, "sh", home.scratch.path.string, base.files.disk.string])
            #expect(result.status == 0, "\(result)")
            #expect(result.output.contains(base.hash.hex) && result.output.contains("PORTS OR REASON"), "\(result)")
            #expect(result.output.contains("status 74") && result.errors.contains("disk is full"), "\(result)")
        }
    }
}
