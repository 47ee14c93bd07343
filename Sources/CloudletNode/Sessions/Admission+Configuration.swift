extension Admission.Policy {
    /// Reads the configured limits.
    init(_ configuration: NodeConfiguration) {
        machines = configuration.maximumVMs
        perClient = configuration.sessionsPerClient
        queue = configuration.queueLength
        queueTimeout = configuration.queueTimeout
        memoryReserve = configuration.memoryReserve
        diskReserve = configuration.diskReserve
    }
}
