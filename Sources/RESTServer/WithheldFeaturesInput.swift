import JSON
import ManagementService
import PartitionManager
import WorkerProtocol

/// Reads which virtio features a guest is not offered, as a client writes it.
enum WithheldFeaturesInput {
    /// The member `withheldFeatures`; nil where there is none.
    static func features(_ vm: JSONFields) throws -> WithheldFeatures? {
        guard let value = vm.value("withheldFeatures") else { return nil }
        if value.isNull { return WithheldFeatures() }
        let place = vm.pointer(to: "withheldFeatures")
        guard let object = value.object else { throw JSONFields.wrongType(place, "an object of lists", value) }
        var result = WithheldFeatures()
        for (device, value) in object.members {
            let member = JSONFields.place(place, device)
            guard let elements = value.array else { throw JSONFields.wrongType(member, "a list of names", value) }
            result.names[device] = try elements.enumerated().map { index, element in
                guard let name = element.string else {
                    throw JSONFields.wrongType("\(member)/\(index)", "a feature's name", element)
                }
                return name
            }
        }
        return result
    }
}
