import HypercallABI

/// One call of the specification as this project makes and answers it: the single place that says how it is laid out,
/// what it is for and how it can end. The client, the dispatcher and the page of calls (docs/hypercalls.md) read it.
package struct CallDefinition: Sendable {
    package var code: CallCode
    package var group: CallGroup
    package var form: CallForm
    /// One or two sentences: what the call does, for whom.
    package var meaning: String
    /// The structure of the input and of the output, by the names of the specification's C headers; nil: there is none.
    package var input: String?
    package var output: String?
    /// How the embedded hypervisor can end the call beside `success`, `invalidHypercallCode` and
    /// `invalidHypercallInput`.
    package var statuses: [HypercallStatus]
    /// How `/dev/mshv` takes the call.
    package var mshv: MshvSupport

    package init(
        _ code: CallCode, _ group: CallGroup, _ form: CallForm, _ meaning: String, input: String?,
        output: String? = nil, statuses: [HypercallStatus], mshv: MshvSupport
    ) {
        self.code = code
        self.group = group
        self.form = form
        self.meaning = meaning
        self.input = input
        self.output = output
        self.statuses = statuses
        self.mshv = mshv
    }
}

/// What a call is about. The dispatcher has one file for each.
package enum CallGroup: String, Sendable, CaseIterable {
    case partitions, memory, processors, processorState, interrupts, synIC, properties, statistics, devices
}

/// How Linux's `/dev/mshv` offers a call.
package enum MshvSupport: Sendable, Equatable {
    /// The driver makes it as part of an ioctl of its own, named here.
    case ioctl(String)
    /// `MSHV_ROOT_HVCALL` passes it through.
    case rootHvcall
    /// The driver makes it by itself and offers it to nobody.
    case driverOnly
    /// Not in the driver.
    case none
}
