// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletHypervisor
import CloudletSession
import CloudletStore
import CloudletSynthesis
import CloudletSystem
import Glibc
import SystemPackage

extension Doctor {
    /// Checks that the state directory is writable and closed to other users.
    func examineHome() -> [Finding] {
        let root = home.root
        do throws(CloudletError) {
            guard let status = try FileStatus.of(root), status.isDirectory else {
                return [.fail("home", "\(root) is not a directory", fix: "export CLOUDLET_HOME=…")]
            }
            guard status.owner == geteuid() else {
                return [.fail("home", "\(root) belongs to another user", fix: Self.ownHome)]
            }
            let trial = root.appending(".doctor-\(getpid())")
            _ = try File(trial, .create(permissions: 0o600))
            try FileSystem.remove(trial)
            guard status.permissions & 0o077 == 0 else {
                return [
                    .warn(
                        "home", "\(root) can be entered by other users of this machine",
                        fix: "chmod 700 " + Shell.path(root))
                ]
            }
            return [.ok("home", "\(root)")]
        } catch {
            return [.fail("home", "\(error)", fix: Self.ownHome)]
        }
    }

    /// Advice to use another directory, which is safer than to take over one that may belong to others.
    private static let ownHome = "export CLOUDLET_HOME=\"$HOME/.local/share/cloudlet\""

    /// The command to run if the registry can't be read. A damaged registry is renamed to an unused name.
    private static func away(_ database: FilePath, _ error: CloudletError) -> String {
        guard error.code == .badData else { return "ls -l " + Shell.path(database) }
        return Shell.command("mv", database.string, FilePath(database.string + ".broken").firstFree.string)
    }

    /// Checks every base VM: it can run on this host, and its files exist and are unchanged.
    func examineBases(_ hypervisor: Hypervisor?) async -> [Finding] {
        let registry: Registry
        let bases: [BaseVM]
        var findings: [Finding] = []
        do throws(CloudletError) {
            registry = try Registry(home.database)
            bases = try registry.bases()
            findings = try registry.damaged().map { disk in
                .fail(
                    "bases", "the registry's entry for \(disk) is damaged",
                    fix: Shell.command("cloudlet", "del-base", disk.string))
            }
        } catch {
            return [.fail("bases", "\(error)", fix: Self.away(home.database, error))]
        }
        guard !bases.isEmpty else {
            return findings + [
                .warn("bases", "there is no base VM: every client is refused", fix: "cloudlet add-base DISK")
            ]
        }
        for base in bases { findings.append(await examine(base, registry, hypervisor)) }
        return findings
    }

    private func examine(_ base: BaseVM, _ registry: Registry, _ hypervisor: Hypervisor?) async -> Finding {
        let disk = base.files.disk
        let support = try? await hypervisor?.support(of: base.machine)
        if case .refused(let refusal) = support {
            return .fail(
                "base \(base.files.name)", "it can't run here and is not announced: \(refusal.message)",
                fix: "cloudlet del-base " + Shell.path(disk))
        }
        do throws(CloudletError) { _ = try await OpenBase.open(base, in: registry) } catch {
            return .fail("base \(base.files.name)", "\(error)", fix: "cloudlet del-base " + Shell.path(disk))
        }
        if case .boots(let substitute) = support {
            return .warn(
                "base \(base.files.name)",
                "it can only boot here, for clients with --allow-boot: \(substitute.reason.message)",
                fix: "cloudlet-find --allow-boot --overlay OVERLAY")
        }
        if let status = try? FileStatus.of(disk), status.permissions & 0o222 != 0 {
            return .warn(
                "base \(base.files.name)", "\(disk) is not write-protected", fix: "chmod a-w " + Shell.path(disk))
        }
        return .ok("base \(base.files.name)", "\(base.hash.short) \(base.accelerator)")
    }

    /// Checks the disk space for VMs, the memory for their RAM, the directory of temporary files, and the limit of open
    /// files.
    func examineSpace() -> [Finding] {
        [
            space("disk", home.root, need: 256 << 20, wish: 2 << 30),
            space("tmp", File.temporaryDirectory, need: 1 << 20, wish: 16 << 20),
            memory, descriptors,
        ]
    }

    private func space(_ check: String, _ path: FilePath, need: Int, wish: Int) -> Finding {
        let fix = "df -h \(Shell.path(path)); du -xh \(Shell.path(path)) | sort -h | tail"
        do throws(CloudletError) {
            let free = try FileSystem.freeSpace(at: path)
            guard unsafe access(path.string, W_OK) == 0 else {
                return .fail(check, "\(path) can't be written to", fix: "ls -ld " + Shell.path(path))
            }
            let detail = "\(ByteCount(free)) free in \(path)"
            if free < need { return .fail(check, "\(detail), \(ByteCount(need)) needed", fix: fix) }
            if free < wish { return .warn(check, "\(detail), \(ByteCount(wish)) recommended", fix: fix) }
            return .ok(check, detail)
        } catch {
            return .fail(check, "\(error)", fix: fix)
        }
    }

    /// Checks the memory for guest RAM. It is in memory files, which count as memory of the machine and its control
    /// group, not of /dev/shm.
    private var memory: Finding {
        let figures = MemoryFigures.current()
        let available = figures.available
        var detail = "\(ByteCount(available)) available for guests"
        var fix = "ps aux --sort=-rss | head"
        if let file = figures.limitedBy {
            detail += "; a control group allows \(ByteCount(figures.total)) in all (\(file))"
            fix = Shell.command("cat", "\(file)")
        }
        do throws(CloudletError) {
            let trial = try SharedMemory(named: "cloudlet-doctor", size: 1 << 20)
            try trial.file.write([1], at: 0)
        } catch {
            return .fail("memory", "\(error)", fix: "ulimit -a")
        }
        let reserve = configuration.memoryReserve
        let bases = (try? Registry(home.database).bases()) ?? []
        let smallest = MachineDescription(memoryMiB: 16, accelerator: .kvm).hostBytes
        let need = bases.map(\.hostBytes).min() ?? smallest
        let part =
            "\(ByteCount(need)) for \(bases.isEmpty ? "any VM" : "the smallest base VM")"
            + " beside the reserve of \(ByteCount(reserve)) (admission.memory-reserve)"
        if figures.total - reserve < need { return .fail("memory", "\(detail): there is never \(part)", fix: fix) }
        if available - reserve < need { return .warn("memory", "\(detail): now there is not \(part)", fix: fix) }
        return .ok("memory", detail)
    }

    private var descriptors: Finding {
        var limit = rlimit()
        let wanted = configuration.connections * 2 + 512
        guard unsafe getrlimit(__rlimit_resource_t(UInt32(RLIMIT_NOFILE.rawValue)), &limit) == 0 else {
            return .warn("descriptors", "the limit can't be read", fix: "ulimit -n \(wanted)")
        }
        let detail = "\(limit.rlim_cur) open files allowed"
        guard limit.rlim_cur >= UInt(wanted) else {
            return .warn(
                "descriptors", "\(detail), \(wanted) needed for \(configuration.connections) connections",
                fix: "ulimit -n \(wanted)")
        }
        return .ok("descriptors", detail)
    }
}
