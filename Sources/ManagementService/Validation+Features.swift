import PartitionManager
import Virtio
import WorkerProtocol

/// Virtio features that are kept from a guest.
extension Validation {
    static func checkFeatures(_ specification: VMSpecification) throws(ServiceError) {
        for (device, names) in specification.withheldFeatures.names.sorted(by: { $0.key < $1.key }) {
            let field = "/withheldFeatures/" + pointerToken(device)
            guard let known = FeatureNames.features(of: device) else {
                throw ServiceError(
                    .invalidArgument, "\(quoted(device)) names no virtio device.", field: field,
                    expected: (FeatureNames.devices + FeatureNames.kinds.map { $0 + "/ID" }).joined(separator: ", "))
            }
            for (index, name) in names.enumerated() where known[name] == nil {
                throw ServiceError(
                    .invalidArgument, "\(quoted(name)) is no feature that \(device) can go on without.",
                    field: "\(field)/\(index)", expected: known.keys.sorted().joined(separator: ", "))
            }
        }
    }
}
