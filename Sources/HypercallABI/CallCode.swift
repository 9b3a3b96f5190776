/// The code of a hypercall (HV_CALL_CODE, TLFS appendix A). Unknown codes survive a round trip and print as numbers.
package struct CallCode: RawRepresentable, Hashable, Sendable, CustomStringConvertible {
    package let rawValue: UInt16
    package init(rawValue: UInt16) { self.rawValue = rawValue }

    package var description: String { Self.names[self] ?? "call 0x" + String(rawValue, radix: 16) }
}

extension CallCode {
    package static let switchVirtualAddressSpace = CallCode(rawValue: 0x0001)
    package static let flushVirtualAddressSpace = CallCode(rawValue: 0x0002)
    package static let flushVirtualAddressList = CallCode(rawValue: 0x0003)
    package static let getLogicalProcessorRunTime = CallCode(rawValue: 0x0004)
    package static let notifyLongSpinWait = CallCode(rawValue: 0x0008)
    package static let invokeHypervisorDebugger = CallCode(rawValue: 0x000A)
    package static let sendIpi = CallCode(rawValue: 0x000B)
    package static let modifyVtlProtectionMask = CallCode(rawValue: 0x000C)
    package static let enablePartitionVtl = CallCode(rawValue: 0x000D)
    package static let enableVpVtl = CallCode(rawValue: 0x000F)
    package static let vtlCall = CallCode(rawValue: 0x0011)
    package static let vtlReturn = CallCode(rawValue: 0x0012)
    package static let flushVirtualAddressSpaceEx = CallCode(rawValue: 0x0013)
    package static let flushVirtualAddressListEx = CallCode(rawValue: 0x0014)
    package static let sendIpiEx = CallCode(rawValue: 0x0015)
    package static let createPartition = CallCode(rawValue: 0x0040)
    package static let initializePartition = CallCode(rawValue: 0x0041)
    package static let finalizePartition = CallCode(rawValue: 0x0042)
    package static let deletePartition = CallCode(rawValue: 0x0043)
    package static let getPartitionProperty = CallCode(rawValue: 0x0044)
    package static let setPartitionProperty = CallCode(rawValue: 0x0045)
    package static let getPartitionId = CallCode(rawValue: 0x0046)
    package static let getNextChildPartition = CallCode(rawValue: 0x0047)
    package static let depositMemory = CallCode(rawValue: 0x0048)
    package static let withdrawMemory = CallCode(rawValue: 0x0049)
    package static let mapGpaPages = CallCode(rawValue: 0x004B)
    package static let unmapGpaPages = CallCode(rawValue: 0x004C)
    package static let installIntercept = CallCode(rawValue: 0x004D)
    package static let createVp = CallCode(rawValue: 0x004E)
    package static let deleteVp = CallCode(rawValue: 0x004F)
    package static let getVpRegisters = CallCode(rawValue: 0x0050)
    package static let setVpRegisters = CallCode(rawValue: 0x0051)
    package static let translateVirtualAddress = CallCode(rawValue: 0x0052)
    package static let readGpa = CallCode(rawValue: 0x0053)
    package static let writeGpa = CallCode(rawValue: 0x0054)
    package static let clearVirtualInterrupt = CallCode(rawValue: 0x0056)
    package static let deletePort = CallCode(rawValue: 0x0058)
    package static let disconnectPort = CallCode(rawValue: 0x005B)
    package static let postMessage = CallCode(rawValue: 0x005C)
    package static let signalEvent = CallCode(rawValue: 0x005D)
    package static let postDebugData = CallCode(rawValue: 0x0069)
    package static let retrieveDebugData = CallCode(rawValue: 0x006A)
    package static let resetDebugSession = CallCode(rawValue: 0x006B)
    package static let mapStatsPage = CallCode(rawValue: 0x006C)
    package static let unmapStatsPage = CallCode(rawValue: 0x006D)
    package static let setSystemProperty = CallCode(rawValue: 0x006F)
    package static let outputDebugCharacter = CallCode(rawValue: 0x0071)
    package static let addLogicalProcessor = CallCode(rawValue: 0x0076)
    package static let getSystemProperty = CallCode(rawValue: 0x007B)
    package static let mapDeviceInterrupt = CallCode(rawValue: 0x007C)
    package static let unmapDeviceInterrupt = CallCode(rawValue: 0x007D)
    package static let retargetInterrupt = CallCode(rawValue: 0x007E)
    package static let attachDevice = CallCode(rawValue: 0x0082)
    package static let detachDevice = CallCode(rawValue: 0x0083)
    package static let enterSleepState = CallCode(rawValue: 0x0084)
    package static let notifyPartitionEvent = CallCode(rawValue: 0x0087)
    package static let notifyPortRingEmpty = CallCode(rawValue: 0x008B)
    package static let registerInterceptResult = CallCode(rawValue: 0x0091)
    package static let assertVirtualInterrupt = CallCode(rawValue: 0x0094)
    package static let createPort = CallCode(rawValue: 0x0095)
    package static let connectPort = CallCode(rawValue: 0x0096)
    package static let startVp = CallCode(rawValue: 0x0099)
    package static let getVpIndexFromApicId = CallCode(rawValue: 0x009A)
    package static let translateVirtualAddressEx = CallCode(rawValue: 0x00AC)
    package static let checkForIoIntercept = CallCode(rawValue: 0x00AD)
    package static let flushGuestPhysicalAddressSpace = CallCode(rawValue: 0x00AF)
    package static let flushGuestPhysicalAddressList = CallCode(rawValue: 0x00B0)
    package static let createDeviceDomain = CallCode(rawValue: 0x00B1)
    package static let attachDeviceDomain = CallCode(rawValue: 0x00B2)
    package static let mapDeviceGpaPages = CallCode(rawValue: 0x00B3)
    package static let unmapDeviceGpaPages = CallCode(rawValue: 0x00B4)
    package static let signalEventDirect = CallCode(rawValue: 0x00C0)
    package static let postMessageDirect = CallCode(rawValue: 0x00C1)
    package static let dispatchVp = CallCode(rawValue: 0x00C2)
    package static let detachDeviceDomain = CallCode(rawValue: 0x00C4)
    package static let deleteDeviceDomain = CallCode(rawValue: 0x00C5)
    package static let getGpaPagesAccessStates = CallCode(rawValue: 0x00C9)
    package static let checkSparseGpaPageVtlAccess = CallCode(rawValue: 0x00D4)
    package static let acquireSparseSpaPageHostAccess = CallCode(rawValue: 0x00D7)
    package static let releaseSparseSpaPageHostAccess = CallCode(rawValue: 0x00D8)
    package static let acceptGpaPages = CallCode(rawValue: 0x00D9)
    package static let modifySparseGpaPageHostVisibility = CallCode(rawValue: 0x00DB)
    package static let mapVpStatePage = CallCode(rawValue: 0x00E1)
    package static let unmapVpStatePage = CallCode(rawValue: 0x00E2)
    package static let getVpState = CallCode(rawValue: 0x00E3)
    package static let setVpState = CallCode(rawValue: 0x00E4)
    package static let importIsolatedPages = CallCode(rawValue: 0x00EF)
    package static let completeIsolatedImport = CallCode(rawValue: 0x00F1)
    package static let issueSnpPspGuestRequest = CallCode(rawValue: 0x00F2)
    package static let getVpCpuidValues = CallCode(rawValue: 0x00F4)
    package static let getPartitionPropertyEx = CallCode(rawValue: 0x0101)
    package static let restorePartitionTime = CallCode(rawValue: 0x0103)
    package static let mmioRead = CallCode(rawValue: 0x0106)
    package static let mmioWrite = CallCode(rawValue: 0x0107)
    package static let disableHypEx = CallCode(rawValue: 0x010F)
    package static let pinGpaPageRanges = CallCode(rawValue: 0x0112)
    package static let unpinGpaPageRanges = CallCode(rawValue: 0x0113)
    package static let querySparseGpaPageHostVisibility = CallCode(rawValue: 0x011C)
    package static let getIommuCapabilities = CallCode(rawValue: 0x0125)
    package static let getLogicalDeviceProperty = CallCode(rawValue: 0x0127)
    package static let mapStatsPage2 = CallCode(rawValue: 0x0131)
    package static let queryCapabilities = CallCode(rawValue: 0x8001)
    package static let vbsVmCallReport = CallCode(rawValue: 0xC001)
}

extension CallCode {
    /// The specification's names of the calls above.
    package static let names: [CallCode: String] = [
        .switchVirtualAddressSpace: "HvCallSwitchVirtualAddressSpace",
        .flushVirtualAddressSpace: "HvCallFlushVirtualAddressSpace",
        .flushVirtualAddressList: "HvCallFlushVirtualAddressList",
        .getLogicalProcessorRunTime: "HvCallGetLogicalProcessorRunTime",
        .notifyLongSpinWait: "HvCallNotifyLongSpinWait",
        .invokeHypervisorDebugger: "HvCallInvokeHypervisorDebugger",
        .sendIpi: "HvCallSendIpi",
        .modifyVtlProtectionMask: "HvCallModifyVtlProtectionMask",
        .enablePartitionVtl: "HvCallEnablePartitionVtl",
        .enableVpVtl: "HvCallEnableVpVtl",
        .vtlCall: "HvCallVtlCall",
        .vtlReturn: "HvCallVtlReturn",
        .flushVirtualAddressSpaceEx: "HvCallFlushVirtualAddressSpaceEx",
        .flushVirtualAddressListEx: "HvCallFlushVirtualAddressListEx",
        .sendIpiEx: "HvCallSendIpiEx",
        .createPartition: "HvCallCreatePartition",
        .initializePartition: "HvCallInitializePartition",
        .finalizePartition: "HvCallFinalizePartition",
        .deletePartition: "HvCallDeletePartition",
        .getPartitionProperty: "HvCallGetPartitionProperty",
        .setPartitionProperty: "HvCallSetPartitionProperty",
        .getPartitionId: "HvCallGetPartitionId",
        .getNextChildPartition: "HvCallGetNextChildPartition",
        .depositMemory: "HvCallDepositMemory",
        .withdrawMemory: "HvCallWithdrawMemory",
        .mapGpaPages: "HvCallMapGpaPages",
        .unmapGpaPages: "HvCallUnmapGpaPages",
        .installIntercept: "HvCallInstallIntercept",
        .createVp: "HvCallCreateVp",
        .deleteVp: "HvCallDeleteVp",
        .getVpRegisters: "HvCallGetVpRegisters",
        .setVpRegisters: "HvCallSetVpRegisters",
        .translateVirtualAddress: "HvCallTranslateVirtualAddress",
        .readGpa: "HvCallReadGpa",
        .writeGpa: "HvCallWriteGpa",
        .clearVirtualInterrupt: "HvCallClearVirtualInterrupt",
        .deletePort: "HvCallDeletePort",
        .disconnectPort: "HvCallDisconnectPort",
        .postMessage: "HvCallPostMessage",
        .signalEvent: "HvCallSignalEvent",
        .postDebugData: "HvCallPostDebugData",
        .retrieveDebugData: "HvCallRetrieveDebugData",
        .resetDebugSession: "HvCallResetDebugSession",
        .mapStatsPage: "HvCallMapStatsPage",
        .unmapStatsPage: "HvCallUnmapStatsPage",
        .setSystemProperty: "HvCallSetSystemProperty",
        .outputDebugCharacter: "HvCallOutputDebugCharacter",
        .addLogicalProcessor: "HvCallAddLogicalProcessor",
        .getSystemProperty: "HvCallGetSystemProperty",
        .mapDeviceInterrupt: "HvCallMapDeviceInterrupt",
        .unmapDeviceInterrupt: "HvCallUnmapDeviceInterrupt",
        .retargetInterrupt: "HvCallRetargetInterrupt",
        .attachDevice: "HvCallAttachDevice",
        .detachDevice: "HvCallDetachDevice",
        .enterSleepState: "HvCallEnterSleepState",
        .notifyPartitionEvent: "HvCallNotifyPartitionEvent",
        .notifyPortRingEmpty: "HvCallNotifyPortRingEmpty",
        .registerInterceptResult: "HvCallRegisterInterceptResult",
        .assertVirtualInterrupt: "HvCallAssertVirtualInterrupt",
        .createPort: "HvCallCreatePort",
        .connectPort: "HvCallConnectPort",
        .startVp: "HvCallStartVp",
        .getVpIndexFromApicId: "HvCallGetVpIndexFromApicId",
        .translateVirtualAddressEx: "HvCallTranslateVirtualAddressEx",
        .checkForIoIntercept: "HvCallCheckForIoIntercept",
        .flushGuestPhysicalAddressSpace: "HvCallFlushGuestPhysicalAddressSpace",
        .flushGuestPhysicalAddressList: "HvCallFlushGuestPhysicalAddressList",
        .createDeviceDomain: "HvCallCreateDeviceDomain",
        .attachDeviceDomain: "HvCallAttachDeviceDomain",
        .mapDeviceGpaPages: "HvCallMapDeviceGpaPages",
        .unmapDeviceGpaPages: "HvCallUnmapDeviceGpaPages",
        .signalEventDirect: "HvCallSignalEventDirect",
        .postMessageDirect: "HvCallPostMessageDirect",
        .dispatchVp: "HvCallDispatchVp",
        .detachDeviceDomain: "HvCallDetachDeviceDomain",
        .deleteDeviceDomain: "HvCallDeleteDeviceDomain",
        .getGpaPagesAccessStates: "HvCallGetGpaPagesAccessStates",
        .checkSparseGpaPageVtlAccess: "HvCallCheckSparseGpaPageVtlAccess",
        .acquireSparseSpaPageHostAccess: "HvCallAcquireSparseSpaPageHostAccess",
        .releaseSparseSpaPageHostAccess: "HvCallReleaseSparseSpaPageHostAccess",
        .acceptGpaPages: "HvCallAcceptGpaPages",
        .modifySparseGpaPageHostVisibility: "HvCallModifySparseGpaPageHostVisibility",
        .mapVpStatePage: "HvCallMapVpStatePage",
        .unmapVpStatePage: "HvCallUnmapVpStatePage",
        .getVpState: "HvCallGetVpState",
        .setVpState: "HvCallSetVpState",
        .importIsolatedPages: "HvCallImportIsolatedPages",
        .completeIsolatedImport: "HvCallCompleteIsolatedImport",
        .issueSnpPspGuestRequest: "HvCallIssueSnpPspGuestRequest",
        .getVpCpuidValues: "HvCallGetVpCpuidValues",
        .getPartitionPropertyEx: "HvCallGetPartitionPropertyEx",
        .restorePartitionTime: "HvCallRestorePartitionTime",
        .mmioRead: "HvCallMmioRead",
        .mmioWrite: "HvCallMmioWrite",
        .disableHypEx: "HvCallDisableHypEx",
        .pinGpaPageRanges: "HvCallPinGpaPageRanges",
        .unpinGpaPageRanges: "HvCallUnpinGpaPageRanges",
        .querySparseGpaPageHostVisibility: "HvCallQuerySparseGpaPageHostVisibility",
        .getIommuCapabilities: "HvCallGetIommuCapabilities",
        .getLogicalDeviceProperty: "HvCallGetLogicalDeviceProperty",
        .mapStatsPage2: "HvCallMapStatsPage2",
        .queryCapabilities: "HvExtCallQueryCapabilities",
        .vbsVmCallReport: "HvCallVbsVmCallReport",
    ]
}
