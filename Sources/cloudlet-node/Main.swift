import CloudletCommandLine
import CloudletCommands

@main struct Main {
    static func main() async {
        ChildProcesses.runIfRequested()
        await CommandRunner.run(NodeCommand.self, handlesSignals: false)
    }
}
