/// What happened to a VM that is taken care of.
package enum VMIncident: Sendable, Hashable {
    /// The host has no room for what it writes to its disk, or has it again.
    case disk(FullDisk)
    /// The guest of the VM with this name went to sleep (ACPI S3), in which no port of it answers, and was woken up.
    case woken(vm: String)

    /// In words.
    package var shown: String {
        switch self {
        case .disk(let disk): disk.shown
        case .woken: "the guest went to sleep, and was woken up: it can't wake by itself"
        }
    }
}
