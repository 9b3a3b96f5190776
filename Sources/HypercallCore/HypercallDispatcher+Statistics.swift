import HypercallABI

extension HypercallDispatcher {
    func statistics(_ call: HypercallArguments) throws(HypercallStatus) -> RepOutcome {
        switch call.control.code {
        case .mapStatsPage:
            let page = try handler.mapStatsPage(StatisticsPageInput(decoding: call.input))
            try call.output.write(page, at: 0)
        case .mapStatsPage2: try handler.mapStatsPage2(MapStatisticsPage2Input(decoding: call.input))
        case .unmapStatsPage: try handler.unmapStatsPage(StatisticsPageInput(decoding: call.input))
        default: throw HypercallStatus.invalidHypercallCode
        }
        return .done
    }
}
