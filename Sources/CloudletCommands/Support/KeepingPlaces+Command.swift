import CloudletCommandLine
import CloudletStore
import CloudletSynthesis
import CloudletSystem

extension KeepingPlaces {
    /// The places where a command keeps a VM when its files could not be written, or writing was interrupted.
    static func command(_ home: CloudletHome) -> KeepingPlaces {
        KeepingPlaces(home.kept, interruptions: CommandRunner.interruptions) { Console.note($0) }
    }
}
