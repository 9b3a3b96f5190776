import JSON

/// Virtio features that a guest is not offered: a way round a driver that is wrong about one.
package struct WithheldFeatures: Sendable, Equatable {
    /// Names by the keys of devices: `rng`, `disk/root`.
    package var names: [String: [String]] = [:]

    package init(_ names: [String: [String]] = [:]) { self.names = names }

    package var json: JSONValue {
        var object = JSONObject()
        for (device, features) in names.sorted(by: { $0.key < $1.key }) {
            object[device] = .array(features.map(JSONValue.string))
        }
        return .object(object)
    }

    /// None where there is no value.
    package init(_ json: JSONValue?) {
        for member in json?.object?.members ?? [] {
            names[member.name] = (member.value.array ?? []).compactMap(\.string)
        }
    }
}
