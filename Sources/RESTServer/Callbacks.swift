import CMicroHTTPD
import Glibc
import Log

/// The functions that libmicrohttpd calls, on its own threads. The first argument of each is the `ServerCore`, which
/// lives until the daemon has ended; a request's context is retained once by `access` and released once by `completed`.
enum Callbacks {
    /// Called with the header, with each piece of the body, and without one when the answer is due. The first call makes
    /// the context. (Made before, when only the target is known, it would leak where the rest of the header is broken:
    /// `completed` is not called then.)
    static let access: MHD_AccessHandlerCallback = { core, connection, path, method, _, data, size, context in
        guard let core, let connection, let method, let path, let size, let context else { return .NO }
        guard let object = context.pointee else {
            let server = Unmanaged<ServerCore>.fromOpaque(core).takeUnretainedValue()
            let request = RequestContext(server, method: String(cString: method))
            context.pointee = Unmanaged.passRetained(request).toOpaque()
            return request.begin(connection, path: String(cString: path))
        }
        let request = Unmanaged<RequestContext>.fromOpaque(object).takeUnretainedValue()
        let piece = UnsafeRawBufferPointer(start: data, count: size.pointee)
        var taken = 0
        let result = request.proceed(connection, piece: piece, taken: &taken)
        // What is not taken comes again.
        size.pointee -= taken
        return result
    }

    static let completed: MHD_RequestCompletedCallback = { _, _, context, _ in
        guard let context, let object = context.pointee else { return }
        context.pointee = nil
        Unmanaged<RequestContext>.fromOpaque(object).takeRetainedValue().ended()
    }

    /// libmicrohttpd's own complaints are about single clients for the most part.
    static let log: MHD_LogCallback = { _, format, arguments in
        guard let format, let arguments else { return }
        var buffer = [CChar](repeating: 0, count: 512)
        guard vsnprintf(&buffer, buffer.count, format, arguments) > 0 else { return }
        let text = String(decoding: buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        Log.debug("libmicrohttpd: \(trimmed(text.split(separator: "\n").first ?? ""))")
    }

    /// Makes the next piece of an event stream.
    static let readStream: MHD_ContentReaderCallback = { stream, _, buffer, capacity in
        guard let stream, let buffer else { return hv_mhd_end_of_stream }
        let target = UnsafeMutableRawBufferPointer(start: buffer, count: capacity)
        return Unmanaged<EventStream>.fromOpaque(stream).takeUnretainedValue().read(into: target)
    }

    /// The response of an event stream is gone: releases what `Response.queue` retained for it.
    static let freeStream: MHD_ContentReaderFreeCallback = { stream in
        guard let stream else { return }
        Unmanaged<EventStream>.fromOpaque(stream).takeRetainedValue().closed()
    }

    /// The connection is a WebSocket from here on. The first argument is the `RequestContext`, which libmicrohttpd
    /// keeps until the upgraded connection is closed.
    static let upgraded: MHD_UpgradeHandler = { context, _, _, extra, extraSize, socket, handle in
        guard let handle else { return }
        guard let context else {
            _ = hv_mhd_close_upgraded(handle)
            return
        }
        let request = Unmanaged<RequestContext>.fromOpaque(context).takeUnretainedValue()
        let early = UnsafeRawBufferPointer(start: extra, count: extra == nil ? 0 : extraSize)
        request.upgraded(socket: socket, handle: handle, early: Array(early))
    }
}
