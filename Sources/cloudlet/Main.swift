import CloudletCommandLine
import CloudletCommands

@main struct Main {
    static func main() async { await CommandRunner.run(CloudletCommand.self) }
}
