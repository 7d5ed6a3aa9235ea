import HTTPTypes
import HummingbirdCore
import NIOCore
import Synchronization

/// Reads bodies within bounds.
final class BodyReader: Sendable {
    private let limit: Int
    private let limitOfAll: Int
    private let held = Mutex(0)

    /// - Parameters:
    ///   - limit: most bytes of one body.
    ///   - limitOfAll: most bytes of all bodies that are held at the same time.
    init(limit: Int, limitOfAll: Int) {
        self.limit = limit
        self.limitOfAll = max(limit, limitOfAll)
    }

    /// Reads a whole body. Its bytes count as held until ``release(_:)``.
    func read(_ body: IncomingBody) async throws(APIError) -> [UInt8] {
        let request = body.request
        if let encoding = request.headers[.contentEncoding], encoding.lowercased() != "identity" {
            throw APIError(
                .invalidRequest,
                "the content encoding '\(encoding.prefix(40))' is not supported; send plain JSON")
        }
        if let length = request.headers[.contentLength].flatMap(Int.init), length > limit { throw tooLarge }
        var bytes: [UInt8] = []
        do {
            while let buffer = try await body.next() {
                guard buffer.readableBytes <= limit - bytes.count else { throw tooLarge }
                try take(buffer.readableBytes)
                bytes.append(contentsOf: buffer.readableBytesView)
            }
            return bytes
        } catch let error as APIError {
            release(bytes.count)
            throw error
        } catch {
            release(bytes.count)
            throw APIError(.invalidRequest, "the body could not be read to its end")
        }
    }

    private func take(_ count: Int) throws(APIError) {
        let fits = held.withLock { held in
            guard count <= limitOfAll - held else { return false }
            held += count
            return true
        }
        guard !fits else { return }
        var error = APIError(.unavailable, "the bodies of all requests are too large for now; try again")
        error.retryAfter = 1
        throw error
    }

    /// Says that a body is no longer held.
    func release(_ count: Int) { held.withLock { $0 -= count } }

    private var tooLarge: APIError {
        APIError(
            .tooLarge, "the body has more than \(limit) bytes, which --body-limit sets",
            code: "body_too_large")
    }
}

/// The body of a request while it is answered.
final class IncomingBody {
    let request: Request
    private var iterator: RequestBody.AsyncIterator?
    private var hasEnded = false

    init(_ request: Request) { self.request = request }

    /// The next bytes; `nil` at the end.
    func next() async throws -> ByteBuffer? {
        guard !hasEnded else { return nil }
        var iterator = iterator ?? request.body.makeAsyncIterator()
        let bytes = try await iterator.next()
        self.iterator = iterator
        hasEnded = bytes == nil
        return bytes
    }

    /// Most bytes that are thrown away, and most seconds that this takes.
    private static let (mostBytes, mostSeconds) = (1 << 30, 30)

    /// Reads what is left behind an answer that did not want it. A client that is still sending would lose the answer if
    /// the connection were closed, and wait for ever if it were left.
    ///
    /// - Throws: if the connection has broken, or was closed here because it took too long.
    func discard(_ channel: any Channel) async throws {
        guard !hasEnded else { return }
        let watch = WriteWatch(channel, seconds: Self.mostSeconds)
        defer { watch.stop() }
        watch.begin()
        var left = Self.mostBytes
        while let bytes = try await next() {
            left -= bytes.readableBytes
            guard left >= 0 else { return try await channel.close() }
        }
    }
}
