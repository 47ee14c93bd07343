import CloudletCommandLine
import CloudletStore
import CloudletSynthesis
import CloudletSystem

extension KeepingPlaces {
    /// Where a command keeps what it could not write, or was interrupted while it wrote it.
    static func command(_ home: CloudletHome) -> KeepingPlaces {
        KeepingPlaces(home.kept, interruptions: CommandRunner.interruptions) { Console.note($0) }
    }
}
