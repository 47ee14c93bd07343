// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore
import CloudletSystem
import CloudletTestSupport
import Glibc
import SystemPackage
import Testing

/// Images from elsewhere become base VMs, with real firmware and boot loaders in place of whole systems.
@Suite(
    .serialized, .timeLimit(.minutes(5)),
    .enabled(if: EndToEndRequirements.missing.isEmpty, "needs \(EndToEndRequirements.missing.joined(separator: ", "))"))
struct ImageTests {
    let scratch: ScratchDirectory
    init() throws { scratch = try ScratchDirectory() }

    private var environment: [String: String] { ["CLOUDLET_HOME": scratch.file("home").string] }

    private func shell(_ script: String) async throws {
        let result = try await Tool.run(
            "sh", ["-ec", "PATH=$PATH:/usr/sbin:/sbin\n\(script)"], directory: scratch.path)
        #expect(result.status == 0, "\(result.errors)")
    }

    /// Writes a program that ends when a shell condition is true.
    private func provision(until condition: String) throws -> String {
        let text = "#!/bin/sh\nuntil \(condition); do sleep 0.1; done\n"
        try scratch.write("provision", Array(text.utf8)).setPermissions(0o755)
        return scratch.file("provision").string
    }

    /// The code of a boot sector. If there is a virtio device in slot 9, where the drive for cloud-init's CD is, it
    /// writes itself to sector 1 and powers the machine off (port 0x604, the ACPI control register of QEMU's pc).
    /// Otherwise it writes itself to sector 2 and halts.
    private static let bootCode = hex(
        "fa31c08ed88ed0bc007c66b800480080baf80c66efb2fc66edbe447cb280bb00433df41a7511c644080189d8cd13ba04"
            + "06b80020efeb0ab280c644080289d8cd13f4ebfd10000100007c00000000000000000000")
    /// The byte of the code that contains the number of the sector to write.
    private static let sectorNumber = 76

    @Test("cloud-init's drive is in the machine at the first boot only, which ends when the guest powers off")
    func cloudInit() async throws {
        var sector = Self.bootCode + [UInt8](repeating: 0, count: Page.sector - Self.bootCode.count)
        sector.replaceSubrange(510..<512, with: [0x55, 0xAA])
        _ = try scratch.write("disk", sector + [UInt8](repeating: 0, count: (1 << 20) - sector.count))
        _ = try scratch.write("user-data", Array("#cloud-config\n".utf8))
        try await shell("qemu-img convert -O qcow2 disk cloud.qcow2 && rm disk && sha256sum cloud.qcow2 > sum")
        let raw = scratch.file("cloud.raw")
        let script = try provision(
            until: "[ \"$(dd if=\(raw) bs=1 skip=1534 count=2 2>/dev/null | od -An -tx1)\" = ' 55 aa' ]")
        let base = try await Program.cloudlet(
            [
                "base", scratch.file("cloud.qcow2").string, "--memory", "64MiB", "--cloud-init",
                scratch.file("user-data").string, "--provision", script,
            ], environment: environment)
        #expect(base.status == 0, "\(base.errors)")
        #expect(base.errors.contains("is a qcow2 file"), "\(base.errors)")
        let bytes = try File(raw, .read).read(3 * Page.sector, at: 0)
        for boot in 1...2 {
            sector[Self.sectorNumber] = UInt8(boot)
            #expect(Array(bytes[boot * Page.sector..<(boot + 1) * Page.sector]) == sector, "boot \(boot)")
        }
        try await shell("sha256sum -c sum")
        try await shell("! find home -name 'seed*' | grep .")
    }

    @Test("a disk that only UEFI boots goes from base to overlay to synthesis, where the host has no firmware")
    func uefi() async throws {
        // GRUB, which counts in a file on its disk.
        try await shell(
            """
            printf 'set n=a\\nwhile true; do\\n' > cfg
            printf 'if [ "$n" = a ]; then set n=b; else set n=a; fi\\nsave_env n\\ndone\\n' >> cfg
            printf '# GRUB Environment Block\\n' > env && head -c 999 /dev/zero | tr '\\0' '#' >> env
            grub-mkimage -O x86_64-efi -p /EFI/BOOT -o loader part_gpt fat normal loadenv test true
            truncate -s 40M disk && truncate -s 36M esp && mkfs.vfat -F 32 esp > /dev/null
            mmd -i esp ::/EFI ::/EFI/BOOT && mcopy -i esp loader ::/EFI/BOOT/BOOTX64.EFI
            mcopy -i esp cfg ::/EFI/BOOT/grub.cfg && mcopy -i esp env ::/EFI/BOOT/grubenv
            printf 'label: gpt\\nstart=2048, size=73728, type=C12A7328-F81F-11D2-BA4B-00A0C93EC93B\\n' | sfdisk -q disk
            dd if=esp of=disk bs=1M seek=1 conv=notrunc,sparse status=none
            xz -0 disk && rm cfg env loader esp
            """)
        let raw = scratch.file("disk.raw")
        let base = try await Program.cloudlet(
            [
                "base", scratch.file("disk.xz").string, "--memory", "128M", "--machine", "q35", "--provision",
                try provision(until: "grep -qa '^n=[ab]' \(raw)"),
            ], environment: environment)
        #expect(base.status == 0 && base.errors.contains("UEFI"), "\(base.errors)")

        // From here on, there is no firmware, as on a node without the package.
        let hidden = "mount -t tmpfs none /usr/share/qemu/firmware && mount -t tmpfs none /usr/share/OVMF"
        let overlay = try await Tool.run(
            "unshare",
            [
                "-m", "sh", "-ec", "\(hidden) && exec \"$@\"", "sh", Program.path("cloudlet"), "overlay", raw.string,
                "-o", scratch.file("grub").string, "--provision", "true", "--no-closing-step",
            ], environment: environment)
        #expect(overlay.status == 0 && overlay.output.contains("Overlay meta"), "\(overlay.errors)")
        let residue = scratch.file("residue")
        let (_, status) = try await Tool.with(
            "unshare",
            [
                "-m", "sh", "-ec", "\(hidden) && exec \"$@\"", "sh", Program.path("cloudlet"), "synthesis", raw.string,
                scratch.file("grub").string, "--residue", residue.string,
            ], environment: environment, log: scratch.file("synthesis.log")
        ) { program in
            try await program.waitFor("Ctrl-C ends the VM", seconds: 60)
            program.send(SIGINT)
            return program.output
        }
        #expect(status == 0)
        // It went on: the loop of GRUB has changed its memory again.
        for directory in [scratch.file("grub"), residue] {
            let report = try await Program.cloudlet(
                ["inspect", directory.string, "--format", "json"], environment: environment)
            #expect(report.output.contains("\"image\" : \"memory\""), "\(report.output)")
        }
    }
}
