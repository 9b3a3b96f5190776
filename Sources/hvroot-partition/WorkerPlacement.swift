import GuestMemory
import HostInventory
import LinuxSystem
import WorkerProtocol

extension Worker {
    /// Puts the worker where it shall run: its main thread, and with that all that it makes.
    ///
    /// - Throws: `StartFailure` where none of those processors can be used.
    static func place(_ placement: Placement) throws(StartFailure) {
        guard let processors = placement.processors ?? processors(of: placement.memory.nodes) else { return }
        do throws(Errno) {
            try HostPlacement.runThread(on: processors)
        } catch {
            throw StartFailure("none of the host processors \(processors) can be used: \(error)")
        }
    }

    /// Those of NUMA nodes; nil where they have none: memory alone.
    private static func processors(of nodes: IndexList?) -> IndexList? {
        guard let nodes else { return nil }
        let topology = HostInventory().topology()
        let processors = IndexList(
            topology.nodes.filter { nodes.contains($0.id) }.flatMap(\.processors.indices))
        return processors.isEmpty ? nil : processors
    }
}
