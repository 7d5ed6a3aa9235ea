import Foundation

/// A connection to a server that shows every byte.
///
/// Calls block a thread of their own, never one that the server's tasks run on.
final class SocketClient: Sendable {
    /// What went wrong with a connection.
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private let socket: Int32

    /// Connects to this machine.
    ///
    /// - Parameter receiveBuffer: bytes that the system takes before the program reads them.
    init(port: Int, receiveBuffer: Int? = nil) throws {
        let socket = Foundation.socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        guard socket >= 0 else { throw Failure(description: "no socket: \(errno)") }
        if var size = receiveBuffer.map(Int32.init) {
            setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
        }
        var timeout = timeval(tv_sec: 120, tv_usec: 0)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port).bigEndian
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        let status = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(socket, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw Failure(description: "no connection: \(errno)") }
        self.socket = socket
    }

    deinit { Foundation.close(socket) }

    /// Ends both directions at once.
    func hangUp() { _ = shutdown(socket, Int32(SHUT_RDWR)) }

    /// Runs blocking work on a thread of its own.
    private func blocking<T: Sendable>(_ body: @escaping @Sendable () throws -> T) async throws -> T {
        try await withCheckedThrowingContinuation { continuation in
            Thread { continuation.resume(with: Result(catching: body)) }.start()
        }
    }

    /// Sends bytes as they are.
    func send(_ bytes: [UInt8]) async throws {
        try await blocking { [self] in
            var sent = 0
            while sent < bytes.count {
                let count = bytes.withUnsafeBytes {
                    Foundation.send(socket, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
                }
                guard count > 0 else { throw Failure(description: "cannot send: \(errno)") }
                sent += count
            }
        }
    }

    /// Reads what is there, at least one byte; empty at the end.
    func read(upTo limit: Int = 65_536) async throws -> [UInt8] {
        try await blocking { [self] in
            var buffer = [UInt8](repeating: 0, count: limit)
            let count = recv(socket, &buffer, limit, 0)
            guard count >= 0 else { throw Failure(description: "cannot read: \(errno)") }
            return Array(buffer.prefix(count))
        }
    }

    /// Reads until the bytes satisfy a condition or the connection ends.
    func read(until isEnough: @escaping @Sendable ([UInt8]) -> Bool) async throws -> [UInt8] {
        var bytes: [UInt8] = []
        while !isEnough(bytes) {
            let more = try await read()
            if more.isEmpty { break }
            bytes += more
        }
        return bytes
    }
}
