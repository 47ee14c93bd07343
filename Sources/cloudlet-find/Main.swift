import CloudletCommandLine
import CloudletFind

@main struct Main {
    static func main() async { await CommandRunner.run(FindCommand.self) }
}
