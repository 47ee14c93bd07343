extension MachineDescription {
    /// MiB of translated code that QEMU keeps under TCG. Its own choice is 1 GiB, which a guest fills at will by running
    /// ever new code. When it is full it is thrown away, and what is needed translated anew. It is no part of the machine
    /// that a guest sees, nor of its saved state.
    static let translationCacheMiB = 128

    /// Bytes of memory that a VM takes of its host, at most.
    package var hostBytes: Int { memoryBytes + emulatorBytes }

    /// Bytes of memory that the emulator takes beside the guest's, at most: what QEMU itself takes (measured: 40 to
    /// 60 MiB) and, under TCG, the translated code and each virtual CPU's table of translated addresses, which grows with
    /// the pages that the guest has in use (measured: 224 MiB).
    package var emulatorBytes: Int {
        let own = 64 << 20
        guard accelerator == .tcg else { return own }
        return own + (Self.translationCacheMiB + vcpus * 256) << 20
    }
}
