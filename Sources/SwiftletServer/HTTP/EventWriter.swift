import HummingbirdCore
import NIOCore
import SwiftletFormats

/// Writes server-sent events to one client.
///
/// A write waits until the client has taken most of what was written before, so that a client that reads slowly holds
/// no more memory than the channel's buffer.
///
/// Source: WHATWG HTML, section 9.2.
final class EventWriter {
    private var body: any ResponseBodyWriter
    /// Whether the client has gone or cannot be written to.
    private(set) var isBroken = false
    private let watch: WriteWatch?

    init(_ body: any ResponseBodyWriter, _ watch: WriteWatch? = nil) {
        self.body = body
        self.watch = watch
    }

    /// Writes an event.
    ///
    /// - Parameter name: the event's type; OpenAI's streams have none.
    func event(_ data: [UInt8], name: String? = nil) async {
        var buffer = ByteBuffer()
        buffer.reserveCapacity(data.count + 16 + (name?.utf8.count ?? 0))
        if let name { buffer.writeString("event: \(name)\n") }
        buffer.writeString("data: ")
        buffer.writeBytes(data)  // JSON in one line: no byte of it is a line end
        buffer.writeString("\n\n")
        await write(buffer)
    }

    /// Writes an event whose data is a JSON text.
    func event(name: String? = nil, _ fill: (inout JSONWriter) -> Void) async {
        var json = JSONWriter()
        json.object { fill(&$0) }
        await event(json.bytes, name: name)
    }

    /// Ends a stream in OpenAI's way.
    func done() async { await write(ByteBuffer(string: "data: [DONE]\n\n")) }

    /// Writes a comment, which keeps the connection alive and is ignored by clients.
    func ping() async { await write(ByteBuffer(string: ": ping\n\n")) }

    private func write(_ buffer: ByteBuffer) async {
        guard !isBroken else { return }
        watch?.begin()
        do { try await body.write(buffer) } catch { isBroken = true }
        watch?.end()
    }

    /// Ends the answer.
    ///
    /// - Throws: if the client cannot be written to.
    func finish() async throws {
        guard !isBroken else { throw ChannelError.ioOnClosedChannel }
        try await body.finish(nil)
    }
}
