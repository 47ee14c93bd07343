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
