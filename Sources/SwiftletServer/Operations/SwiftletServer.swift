import Foundation
import HTTPTypes
import HummingbirdCore
import HummingbirdTLS
public import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import SwiftletEngine
public import SwiftletTensor
import UnixSignals

/// An HTTP server for one model.
///
/// ```swift
/// let server = try SwiftletServer(host: ModelHost(engine), settings: ServerSettings(), modelName: "tales")
/// try await server.run { host, port in print("http://\(host):\(port)") }
/// ```
public struct SwiftletServer: Sendable {
    private let context: ServerContext
    private let dispatcher: Dispatcher
    private let builder: HTTPServerBuilder

    /// - Parameters:
    ///   - host: the model; it may still be loading.
    ///   - modelName: what clients are told if there are no aliases.
    /// - Throws: `.invalidArgument` for settings out of range, `.unreadable` or `.malformed` for files of keys and
    ///   certificates.
    public init(
        host: ModelHost, settings: ServerSettings, modelName: String, logger: Logger
    ) throws(SwiftletError) {
        try settings.validate()
        context = ServerContext(
            host: host, settings: settings, metrics: ServerMetrics(), logger: logger, fileName: modelName)
        dispatcher = Dispatcher(context, RouteTable(context))
        let plain = HTTPServerBuilder.http1(
            configuration: .init(
                additionalChannelHandlers: [ConnectionMonitor()],
                idleTimeout: .seconds(Int64(settings.timeoutSeconds)),
                httpDecoderConfiguration: .init(
                    maxHeaderFieldSize: 32 << 10, maxHeaderListSize: 64 << 10, maxHeaderFieldCount: 200)))
        builder = try Self.secured(plain, settings.tls)
    }

    /// Listens and answers until the process gets SIGINT or SIGTERM or the task is cancelled; then running requests may
    /// end for a while.
    ///
    /// - Parameters:
    ///   - signals: whether signals end the server.
    ///   - onListening: called with every address and its port when connections are taken.
    /// - Throws: `.unreadable` if the address cannot be listened at.
    public func run(
        signals: Bool = true, onListening: @escaping @Sendable (String, Int) async -> Void
    ) async throws(SwiftletError) {
        let settings = context.settings
        do {
            let servers = try settings.hosts.map { host in
                try builder.buildServer(
                    configuration: ServerConfiguration(
                        address: .hostname(host, port: settings.port), backlog: 512),
                    eventLoopGroup: MultiThreadedEventLoopGroup.singleton, logger: Self.quiet,
                    responder: { [dispatcher] request, writer, channel in
                        try await dispatcher.respond(request, writer, channel)
                    },
                    onServerRunning: { await onListening(host, $0.localAddress?.port ?? settings.port) })
            }
            let services = servers + [Farewell(context: context)]
            var configuration = ServiceGroupConfiguration(
                services: services.map { .init(service: $0) },
                gracefulShutdownSignals: signals ? [.sigint, .sigterm] : [], logger: Self.quiet)
            configuration.maximumGracefulShutdownDuration = .seconds(settings.shutdownSeconds + 5)
            let group = ServiceGroup(configuration: configuration)
            // A task of its own: a group that is cancelled itself cuts off what runs.
            let running = Task { try await group.run() }
            try await withTaskCancellationHandler {
                try await running.value
            } onCancel: {
                Task { await group.triggerGracefulShutdown() }
            }
        } catch {
            throw SwiftletError(
                .unreadable,
                "\(settings.hosts.joined(separator: ",")):\(settings.port) cannot be listened at: \(error); choose another --host or --port"
            )
        }
    }

    /// Libraries log only what breaks them.
    private static var quiet: Logger {
        var logger = Logger(label: "swiftlet.http")
        logger.logLevel = .critical
        return logger
    }

    private static func secured(
        _ plain: HTTPServerBuilder, _ files: (key: String, certificates: String)?
    ) throws(SwiftletError) -> HTTPServerBuilder {
        guard let files else { return plain }
        do {
            let certificates = try NIOSSLCertificate.fromPEMFile(files.certificates)
            let key = try NIOSSLPrivateKey(file: files.key, format: .pem)
            return try .tls(
                plain,
                tlsConfiguration: .makeServerConfiguration(
                    certificateChain: certificates.map { .certificate($0) }, privateKey: .privateKey(key)))
        } catch {
            throw SwiftletError(
                .malformed,
                "--ssl-cert-file \(files.certificates) and --ssl-key-file \(files.key) cannot be used: \(error); "
                    + "expected PEM files that belong together")
        }
    }
}

/// Ends the scheduler when the server is to end: requests that run may finish for a while, others are refused.
private struct Farewell: Service {
    let context: ServerContext

    func run() async throws {
        try? await gracefulShutdown()
        await context.host.ready?.scheduler.shutdown(timeout: .seconds(context.settings.shutdownSeconds))
    }
}
