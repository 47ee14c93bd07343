import ArgumentParser
import CloudletConformance

/// The program `conformance`.
@main struct Main {
    static func main() async { await ConformanceCommand.run(arguments: CommandLine.arguments) }
}
