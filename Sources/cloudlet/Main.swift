import CloudletCommandLine
import CloudletCommands

@main struct Main {
    static func main() async {
        ChildProcesses.runIfRequested()
        await CommandRunner.run(CloudletCommand.self)
    }
}
