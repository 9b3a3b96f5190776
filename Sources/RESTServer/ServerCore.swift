import MetricsExposition

/// What the callbacks of all listeners share. It outlives every libmicrohttpd daemon that points to it.
final class ServerCore: Sendable {
    let handlerContext: HandlerContext
    let registry = RequestRegistry()
    let brokenRequests = BrokenRequests()
    let loop: LiveLoop

    var configuration: RESTConfiguration { handlerContext.configuration }

    init(_ handlerContext: HandlerContext) throws {
        self.handlerContext = handlerContext
        let (registry, brokenRequests) = (registry, brokenRequests)
        loop = try LiveLoop(service: handlerContext.service) {
            for case let stream as EventStream in registry.all() { stream.beat() }
            brokenRequests.look()
        }
    }
}
