import HTTPTypes
import NIOCore
import NIOHTTPTypes
import Synchronization

/// Whether the client of a connection is still there; safe to use from any thread.
final class ConnectionState: Sendable {
    private struct Watch {
        var isClosed = false
        var next = 0
        var actions: [Int: @Sendable () -> Void] = [:]
    }

    private let watch = Mutex(Watch())

    /// Whether the client has gone.
    var isClosed: Bool { watch.withLock(\.isClosed) }

    /// Calls `action` once when the client goes, at once if it has gone.
    ///
    /// - Returns: a number for ``forget(_:)``.
    func onClose(_ action: @escaping @Sendable () -> Void) -> Int {
        let number = watch.withLock { watch -> Int? in
            if watch.isClosed { return nil }
            watch.next += 1
            watch.actions[watch.next] = action
            return watch.next
        }
        if number == nil { action() }
        return number ?? 0
    }

    /// Takes back an action.
    func forget(_ number: Int) { watch.withLock { _ = $0.actions.removeValue(forKey: number) } }

    /// Says that the client has gone.
    func close() {
        let actions = watch.withLock { watch in
            watch.isClosed = true
            defer { watch.actions = [:] }
            return Array(watch.actions.values)
        }
        for action in actions { action() }
    }
}

/// Notices when a client goes away while its request is worked on, and answers `Expect: 100-continue`.
///
/// A client that closes its side for writing counts as gone: nobody can tell the two apart.
final class ConnectionMonitor: ChannelInboundHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPRequestPart
    typealias InboundOut = HTTPRequestPart
    typealias OutboundOut = HTTPResponsePart

    /// What it has noticed.
    let state = ConnectionState()

    /// The state of a channel's connection.
    static func state(of channel: any Channel) async -> ConnectionState {
        let found = channel.eventLoop.submit {
            try channel.pipeline.syncOperations.handler(type: ConnectionMonitor.self).state
        }
        guard let state = try? await found.get() else {
            let gone = ConnectionState()
            gone.close()
            return gone
        }
        return state
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        if case .head(let head) = unwrapInboundIn(data),
            head.headerFields[.expect]?.lowercased() == "100-continue"
        {
            context.writeAndFlush(wrapOutboundOut(.head(HTTPResponse(status: .continue))), promise: nil)
        }
        context.fireChannelRead(data)
    }

    func channelInactive(context: ChannelHandlerContext) {
        state.close()
        context.fireChannelInactive()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if let event = event as? ChannelEvent, event == .inputClosed { state.close() }
        context.fireUserInboundEventTriggered(event)
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        if error is IOError { state.close() }
        context.fireErrorCaught(error)
    }
}
