/// A connection of libmicrohttpd that can be put to sleep (suspended) and woken.
///
/// Unchecked: its own thread puts it to sleep. Then it is neither freed nor used by libmicrohttpd until it is woken,
/// which is allowed from any thread. Whoever holds the value decides under a lock that it is the only one to do so.
struct ConnectionHandle: @unchecked Sendable {
    let raw: OpaquePointer
}

/// libmicrohttpd's side of an upgraded connection: closed once, from any thread.
///
/// Unchecked: libmicrohttpd guards its own state, and the value is given from its thread to the live loop only.
struct UpgradeHandle: @unchecked Sendable {
    let raw: OpaquePointer
}
