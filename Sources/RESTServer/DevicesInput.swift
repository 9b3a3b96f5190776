import DeviceSettings
import JSON
import PartitionManager

/// Reads the devices that a VM has once or not at all, as a client writes them.
enum DevicesInput {
    static let balloonFields = ["target", "statisticsInterval", "deflateOnOOM", "freePageReporting"]
    static let watchdogFields = ["action"]
    static let vsockFields = ["cid", "backend"]
    static let consoleFields = ["type", "columns", "rows"]

    /// What the members say; a null takes a device or a value away, so that its default holds.
    static func patch(_ vm: JSONFields, memory: JSONFields?) throws -> DevicesPatch {
        var patch = DevicesPatch()
        if let memory, memory.has("balloon") {
            patch.balloon = .some(try memory.isNull("balloon") ? nil : balloon(memory, BalloonSettings()))
        }
        if vm.isNull("watchdog") {
            patch.watchdog = .some(nil)
        } else if let fields = try vm.fields("watchdog", known: watchdogFields) {
            let action: WatchdogSettings.Action? = fields.isNull("action") ? nil : try fields.word("action")
            patch.watchdog = .some(action ?? WatchdogSettings().action)
        }
        if vm.isNull("vsock") {
            patch.vsock = .some(nil)
        } else if let fields = try vm.fields("vsock", known: vsockFields, readOnly: ["socket"]) {
            var vsock = VsockPatch()
            vsock.cid = try fields.wholeNumber("cid")
            vsock.backend = fields.isNull("backend") ? .auto : try fields.word("backend")
            patch.vsock = .some(vsock)
        }
        if vm.isNull("console") {
            var console = ConsolePatch()
            console.kind = ConsoleSettings().kind
            (console.columns, console.rows) = (.some(nil), .some(nil))
            patch.console = console
        } else if let fields = try vm.fields("console", known: consoleFields) {
            var console = ConsolePatch()
            console.kind = fields.isNull("type") ? ConsoleSettings().kind : try fields.word("type")
            if fields.has("columns") { console.columns = .some(try number(fields, "columns")) }
            if fields.has("rows") { console.rows = .some(try number(fields, "rows")) }
            patch.console = console
        }
        return patch
    }

    private static func number(_ fields: JSONFields, _ name: String) throws -> Int? {
        fields.isNull(name) ? nil : try fields.int(name)
    }

    private static func balloon(_ memory: JSONFields, _ defaults: BalloonSettings) throws -> BalloonPatch? {
        guard
            let fields = try memory.fields(
                "balloon", known: balloonFields, readOnly: ["inflated", "returned", "statistics"])
        else { return nil }
        var balloon = BalloonPatch()
        if fields.has("target") {
            balloon.target = .some(fields.isNull("target") ? nil : try VMInput.byteSize(fields, "target"))
        }
        balloon.statisticsInterval =
            fields.isNull("statisticsInterval") ? defaults.statisticsInterval : try fields.int("statisticsInterval")
        balloon.deflatesOnOOM =
            fields.isNull("deflateOnOOM") ? defaults.deflatesOnOOM : try fields.flag("deflateOnOOM")
        balloon.reportsFreePages =
            fields.isNull("freePageReporting") ? defaults.reportsFreePages : try fields.flag("freePageReporting")
        return balloon
    }
}
