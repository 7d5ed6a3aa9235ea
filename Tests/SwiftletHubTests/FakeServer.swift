import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// A request as a test sees it.
struct FakeRequest: Sendable {
    let method: HTTPMethod
    /// The path without the query.
    let path: String
    let headers: HTTPHeaders
    /// How often this method and path were asked for before.
    let earlier: Int

    /// The first byte that `Range` asks for; 0 without it.
    var start: Int {
        headers.first(name: "range").flatMap { $0.dropFirst(6).split(separator: "-").first }.flatMap {
            Int($0)
        } ?? 0
    }
}

/// An answer, perhaps a bad one.
struct FakeReply: Sendable {
    var status: HTTPResponseStatus = .ok
    var headers: [(String, String)] = []
    var body: [UInt8] = []
    /// What `Content-Length` says; the size of the body by default.
    var announced: Int?
    /// After how many bytes of the body the connection is cut.
    var cutsAfter: Int?
    /// Whether the answer never ends.
    var hangs = false
}

/// An HTTP server on this machine that answers as a test wants it to.
final class FakeServer: Sendable {
    typealias Handler = @Sendable (FakeRequest) -> FakeReply

    private let channel: any Channel
    private let log = Mutex<[FakeRequest]>([])

    /// All requests so far.
    var requests: [FakeRequest] { log.withLock { $0 } }

    /// `http://127.0.0.1:PORT`; `localhost` is another host to those who compare names.
    var address: String { "http://127.0.0.1:\(channel.localAddress?.port ?? 0)" }

    init(_ handler: @escaping Handler) async throws {
        let note = Notebook()
        channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.configureHTTPServerPipeline()
                    try channel.pipeline.syncOperations.addHandler(
                        FakeHandler { head in note.answer(head, handler) })
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        note.add = { [weak self] request in self?.log.withLock { $0.append(request) } }
    }

    /// Ends the server.
    func stop() async { try? await channel.close() }

    func count(_ method: HTTPMethod, _ path: String) -> Int {
        requests.count { $0.method == method && $0.path == path }
    }
}

/// Counts requests and passes them on.
private final class Notebook: Sendable {
    private let counts = Mutex<[String: Int]>([:])
    private let listener = Mutex<(@Sendable (FakeRequest) -> Void)?>(nil)

    var add: (@Sendable (FakeRequest) -> Void)? {
        get { listener.withLock { $0 } }
        set { listener.withLock { $0 = newValue } }
    }

    func answer(_ head: HTTPRequestHead, _ handler: FakeServer.Handler) -> FakeReply {
        let path = String(head.uri.split(separator: "?", omittingEmptySubsequences: false)[0])
        let earlier = counts.withLock { counts in
            defer { counts["\(head.method) \(path)", default: 0] += 1 }
            return counts["\(head.method) \(path)", default: 0]
        }
        let request = FakeRequest(method: head.method, path: path, headers: head.headers, earlier: earlier)
        add?(request)
        return handler(request)
    }
}

private final class FakeHandler: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    private let answer: @Sendable (HTTPRequestHead) -> FakeReply
    private var head: HTTPRequestHead?

    init(_ answer: @escaping @Sendable (HTTPRequestHead) -> FakeReply) { self.answer = answer }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head): self.head = head
        case .body: break
        case .end: if let head { send(answer(head), to: head, context) }
        }
    }

    private func send(_ reply: FakeReply, to request: HTTPRequestHead, _ context: ChannelHandlerContext) {
        var head = HTTPResponseHead(version: .http1_1, status: reply.status)
        for (name, value) in reply.headers { head.headers.add(name: name, value: value) }
        if !head.headers.contains(name: "content-length"), !head.headers.contains(name: "transfer-encoding") {
            head.headers.add(name: "content-length", value: "\(reply.announced ?? reply.body.count)")
        }
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        if request.method != .HEAD {
            let body = reply.body.prefix(reply.cutsAfter ?? reply.body.count)
            context.write(wrapOutboundOut(.body(.byteBuffer(ByteBuffer(bytes: body)))), promise: nil)
        }
        context.flush()
        if reply.cutsAfter != nil, request.method != .HEAD {
            let bound = NIOLoopBound(context, eventLoop: context.eventLoop)
            // A moment later, so that what was sent arrives before the end.
            context.eventLoop.scheduleTask(in: .milliseconds(20)) { bound.value.close(promise: nil) }
        } else if !reply.hangs {
            context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        }
    }
}
