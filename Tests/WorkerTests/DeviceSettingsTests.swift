import DeviceSettings
import JSON
import Testing
import WorkerProtocol

@Suite("Devices in launch files and in the state store")
struct DeviceSettingsJSONTests {
    @Test func theyComeBackAsTheyWere() throws {
        var all = DeviceSettings()
        #expect(try DeviceSettings(all.json) == all)
        all.balloon = BalloonSettings()
        #expect(try DeviceSettings(all.json) == all)
        all.balloon?.target = 1 << 30
        all.balloon?.statisticsInterval = 0
        all.balloon?.deflatesOnOOM = false
        all.balloon?.reportsFreePages = false
        all.vsock = VsockSettings(cid: 0xFFFF_FFFE, backend: .unix)
        all.console = ConsoleSettings(kind: .virtio, size: .init(columns: 1, rows: 65535))
        for action in WatchdogSettings.Action.allCases {
            all.watchdog = WatchdogSettings(action: action)
            #expect(try DeviceSettings(try JSONValue.parse(all.json.serialized())) == all)
        }
        // As before there were such devices.
        #expect(try DeviceSettings(nil) == DeviceSettings())
    }

    @Test(
        arguments: [
            #"{"balloon": {}}"#, #"{"watchdog": {"action": "explode"}}"#, #"{"vsock": {"cid": 2, "backend": "unix"}}"#,
            #"{"vsock": {"cid": 3}}"#, #"{"console": {"type": "braille"}}"#,
            #"{"console": {"type": "virtio", "columns": 0, "rows": 1}}"#,
            #"{"console": {"type": "virtio", "columns": 1}}"#,
        ]) func wrongOnesAreRefused(_ text: String) throws
    {
        let json = try JSONValue.parse(Array(text.utf8))
        #expect(throws: MessageError.self) { try DeviceSettings(json) }
    }
}
