import ArgumentParser
import CloudletCommandLine
import CloudletCore
import CloudletFinding
import CloudletSystem

/// How nodes are searched, and how they are shown.
struct SearchOptions: ParsableArguments {
    @Option(help: "Interface to search on; repeatable; default every LAN interface.")
    var interface: [String] = []

    @Option(help: "How to search: ssdp, mdns or known (nodes found earlier); repeatable; default all.")
    var `protocol`: [ProtocolChoice] = []

    @Option(help: "ADDRESS or ADDRESS:PORT of a node's HTTP server, asked without searching; repeatable.")
    var host: [String] = []

    @Option(help: "Seconds to search at most.")
    var timeout: Double = 3

    @Flag(help: "Go on and show what comes and goes.")
    var watch = false

    @Option(help: "table or json.")
    var format: OutputFormat = .table

    @Flag(help: "The same as --format json.")
    var json = false

    enum ProtocolChoice: String, ExpressibleByArgument, CaseIterable {
        case ssdp, mdns, known
    }

    func validate() throws {
        guard timeout > 0, timeout <= 3600 else { throw ValidationError("--timeout takes seconds from 0 to 3600") }
    }

    /// Whether to print JSON.
    var printsJSON: Bool { json || format == .json }

    /// The finder these options describe.
    func finder() throws(CloudletError) -> Finder {
        var options = FinderOptions()
        options.interfaces = interface
        options.hosts = host
        options.timeout = .seconds(timeout)
        options.isWatching = watch
        if !`protocol`.isEmpty {
            options.protocols = Set(`protocol`.compactMap { DiscoveryOrigin(rawValue: $0.rawValue) })
        }
        // What is kept of nodes is verified each time: others may know and change it.
        options.stateDirectory = try CloudletHome.fromEnvironment().root
        let finder = Finder(options)
        // Where no interface is left the search itself says so, unless it waits for them.
        let obstacles = finder.obstacles
        if watch || obstacles.count < interface.count {
            for text in obstacles { Console.note("\(text); the search does without it") }
        }
        return finder
    }

    /// The failure when nodes were found, but none by the name that is wanted.
    func noneCalled(_ name: String) -> CloudletError {
        CloudletError(
            .noNode, "no node is called '\(name.displayable(limit: 60))'",
            advice: "'cloudlet-find' lists the nodes, by name and address")
    }

    /// The failure when a search found nothing, with what may explain it.
    func nothingFound(_ finder: Finder) -> CloudletError {
        let hints = finder.explainNothingFound()
        for hint in hints.dropFirst() { Console.note("\(hint.finding); \(hint.advice)") }
        return CloudletError(
            finder.isOffline ? .noNetwork : .noNode,
            "no node found" + (hints.first.map { ": \($0.finding)" } ?? ""), advice: hints.first?.advice)
    }
}
