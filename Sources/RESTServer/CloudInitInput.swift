import JSON
import ManagementService
import PartitionManager

/// Reads what a VM's cloud-init is given.
enum CloudInitInput {
    static let fields = ["userData", "metaData", "networkConfig", "vendorData"]

    /// The member `cloudInit`; nil where there is none.
    static func cloudInit(_ vm: JSONFields) throws -> CloudInit? {
        guard let cloudInit = try vm.fields("cloudInit", known: fields) else { return nil }
        return CloudInit(
            userData: try StorageHandlers.required(cloudInit, "userData", "the text of user-data"),
            metaData: try cloudInit.string("metaData"), networkConfig: try cloudInit.string("networkConfig"),
            vendorData: try cloudInit.string("vendorData"))
    }
}

/// How the API shows it: the sizes of its parts, since they are secrets.
enum CloudInitOutput {
    static let fields = ["userDataBytes", "metaDataBytes", "networkConfigBytes", "vendorDataBytes"]

    static func json(_ cloudInit: CloudInit) -> JSONValue {
        var object: JSONObject = ["userDataBytes": JSONValue(cloudInit.userData.utf8.count)]
        object["metaDataBytes"] = cloudInit.metaData.map { JSONValue($0.utf8.count) }
        object["networkConfigBytes"] = cloudInit.networkConfig.map { JSONValue($0.utf8.count) }
        object["vendorDataBytes"] = cloudInit.vendorData.map { JSONValue($0.utf8.count) }
        return .object(object)
    }
}
