import CloudletCommandLine
import CloudletCommands

@main struct Main {
    static func main() async {
        NodeEngineChild.runIfRequested()
        await CommandRunner.run(NodeCommand.self, handlesSignals: false)
    }
}
