// SPDX-FileCopyrightText: 2026 the authors of Cloudlet
// SPDX-License-Identifier: Apache-2.0

import CloudletCore

/// A firmware image that runs twenty million instructions in 32-bit protected mode, a quarter of them memory writes,
/// and then ends the emulator with status 33 through its debug-exit port. Hardware needs a few hundredths of a second.
enum ProbeProgram {
    /// 64 KiB, mapped below 4 GiB and below 1 MiB. The processor starts 16 bytes before the end of the image.
    static let firmware: [UInt8] = {
        var image = [UInt8](repeating: 0xF4, count: 64 << 10)
        func put(_ bytes: [UInt8], at offset: Int) { image.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
        // Reset vector: far jump to F000:0000.
        put([0xEA, 0x00, 0x00, 0x00, 0xF0], at: 0xFFF0)
        // 16-bit: cli; lgdt cs:[0x100]; mov eax, cr0; or al, 1; mov cr0, eax; jmp dword 0x08:0x000F0020
        put(
            [
                0xFA, 0x2E, 0x66, 0x0F, 0x01, 0x16, 0x00, 0x01, 0x0F, 0x20, 0xC0, 0x0C, 0x01, 0x0F, 0x22, 0xC0,
                0x66, 0xEA, 0x20, 0x00, 0x0F, 0x00, 0x08, 0x00,
            ], at: 0)
        // 32-bit: mov ax, 0x10; mov ds, ax; mov ecx, 4000000
        put([0x66, 0xB8, 0x10, 0x00, 0x8E, 0xD8, 0xB9, 0x00, 0x09, 0x3D, 0x00], at: 0x20)
        // loop: mov eax, ecx; and eax, 0xF000; mov [eax + 0x10000], ecx; dec ecx; jnz loop
        put([0x89, 0xC8, 0x25, 0x00, 0xF0, 0x00, 0x00, 0x89, 0x88, 0x00, 0x00, 0x01, 0x00, 0x49, 0x75, 0xF0], at: 0x2B)
        // mov al, 16; out 0xF4, al; hlt        (status = 16 * 2 + 1)
        put([0xB0, 0x10, 0xE6, 0xF4, 0xF4], at: 0x3B)
        // Descriptor table register, then null, flat code and flat data descriptors.
        put([0x17, 0x00, 0x08, 0x01, 0x0F, 0x00], at: 0x100)
        put([0, 0, 0, 0, 0, 0, 0, 0], at: 0x108)
        put([0xFF, 0xFF, 0, 0, 0, 0x9B, 0xCF, 0], at: 0x110)
        put([0xFF, 0xFF, 0, 0, 0, 0x93, 0xCF, 0], at: 0x118)
        return image
    }()
}
