// swift-tools-version: 6.2
import PackageDescription

let swiftSettings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

/// A library target of the engine.
func module(_ name: String, _ dependencies: [Target.Dependency], resources: [Resource] = []) -> Target {
    .target(name: name, dependencies: dependencies, resources: resources, swiftSettings: swiftSettings)
}

/// The tests of one target; fixtures are found through `#filePath`, so nothing is copied.
func tests(of target: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(
        name: "\(target)Tests",
        dependencies: [.target(name: target), "SwiftletTestSupport"] + dependencies,
        exclude: exclude,
        swiftSettings: swiftSettings)
}

let package = Package(
    name: "swiftlet",
    products: [
        .executable(name: "swiftlet", targets: ["swiftlet"]),
        .executable(name: "swiftlet-conformance", targets: ["swiftlet-conformance"]),
        .library(name: "SwiftletEngine", targets: ["SwiftletEngine"]),
        .library(name: "SwiftletText", targets: ["SwiftletText"]),
        .library(name: "SwiftletFormats", targets: ["SwiftletFormats"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0"),
        .package(url: "https://github.com/apple/swift-http-types", from: "1.8.0"),
        .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
        .package(url: "https://github.com/apple/swift-metrics", from: "2.9.0"),
        .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
        .package(url: "https://github.com/apple/swift-nio-extras", from: "1.34.1"),
        .package(url: "https://github.com/apple/swift-nio-ssl", from: "2.37.2"),
        .package(url: "https://github.com/hummingbird-project/hummingbird", from: "2.28.0", traits: []),
        .package(url: "https://github.com/apple/swift-crypto.git", from: "4.5.2"),
        .package(url: "https://github.com/swift-server/async-http-client", from: "1.30.0"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", from: "2.0.0"),
    ],
    targets: [
        .target(name: "CSwiftletKernels"),
        .target(name: "CSwiftletPage"),
        .target(name: "CSwiftletTales", exclude: ["README.md", "tales.gguf"]),
        module("SwiftletTensor", ["CSwiftletKernels"]),
        module("SwiftletFormats", ["SwiftletTensor"]),
        module("SwiftletText", ["SwiftletFormats"]),
        module("SwiftletTemplate", ["SwiftletFormats", "SwiftletTensor"]),
        module("SwiftletGrammar", ["SwiftletFormats", "SwiftletTensor"]),
        module("SwiftletCache", ["SwiftletTensor", "CSwiftletKernels"]),
        module("SwiftletModels", ["SwiftletTensor", "SwiftletFormats", "SwiftletCache"]),
        module(
            "SwiftletEngine",
            [
                "SwiftletTensor", "SwiftletFormats", "SwiftletText", "SwiftletTemplate", "SwiftletCache",
                "SwiftletModels", "CSwiftletTales", "SwiftletGrammar",
            ]),
        module(
            "SwiftletEval",
            [
                "SwiftletTensor", "SwiftletFormats", "SwiftletText", "SwiftletCache", "SwiftletModels",
                "SwiftletEngine",
            ]),
        .target(
            name: "SwiftletServer",
            dependencies: [
                "SwiftletEngine", "SwiftletTemplate", "SwiftletText", "SwiftletFormats", "SwiftletModels",
                "SwiftletCache", "SwiftletGrammar", "SwiftletTensor", "CSwiftletPage",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "HummingbirdCore", package: "hummingbird"),
                .product(name: "HummingbirdTLS", package: "hummingbird"),
                .product(name: "Logging", package: "swift-log"),
                .product(name: "Metrics", package: "swift-metrics"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
                .product(name: "NIOHTTPTypes", package: "swift-nio-extras"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
                .product(name: "ServiceLifecycle", package: "swift-service-lifecycle"),
                .product(name: "UnixSignals", package: "swift-service-lifecycle"),
            ],
            exclude: ["Page"], swiftSettings: swiftSettings),
        module(
            "SwiftletLoad",
            [
                "SwiftletEngine", "SwiftletFormats", "SwiftletTensor",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
        module(
            "SwiftletHub",
            [
                "SwiftletFormats", "SwiftletTensor",
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
            ]),
        .executableTarget(
            name: "swiftlet",
            dependencies: [
                "SwiftletHub", "SwiftletLoad", "SwiftletServer", "SwiftletEval", "SwiftletEngine",
                "SwiftletText",
                "SwiftletTemplate",
                "SwiftletFormats",
                "SwiftletModels", "SwiftletCache", "SwiftletGrammar",
                "SwiftletTensor", .product(name: "ArgumentParser", package: "swift-argument-parser"),
                .product(name: "Logging", package: "swift-log"),
            ],
            swiftSettings: swiftSettings),
        .executableTarget(
            name: "swiftlet-conformance",
            dependencies: [
                "SwiftletCache", "SwiftletModels", "SwiftletFormats", "SwiftletTensor", "SwiftletEval",
                "CSwiftletKernels", .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            swiftSettings: swiftSettings),
        .target(
            name: "SwiftletTestSupport", dependencies: ["SwiftletTensor"], path: "Tests/SwiftletTestSupport",
            swiftSettings: swiftSettings),
        tests(of: "SwiftletTensor", ["CSwiftletKernels"], exclude: ["Fixtures"]),
        tests(of: "SwiftletFormats", ["SwiftletTensor"]),
        tests(of: "SwiftletText", ["SwiftletFormats", "SwiftletTensor"], exclude: ["Fixtures"]),
        tests(of: "SwiftletTemplate", ["SwiftletFormats", "SwiftletTensor"], exclude: ["Fixtures"]),
        tests(of: "SwiftletGrammar", ["SwiftletFormats", "SwiftletTensor"], exclude: ["Fixtures"]),
        tests(of: "SwiftletCache", ["SwiftletTensor"]),
        tests(
            of: "SwiftletModels", ["SwiftletTensor", "SwiftletFormats", "SwiftletCache"],
            exclude: ["Fixtures"]),
        tests(
            of: "SwiftletEngine",
            [
                "SwiftletTensor", "SwiftletFormats", "SwiftletText", "SwiftletTemplate", "SwiftletModels",
                "SwiftletGrammar",
            ]),
        tests(
            of: "SwiftletEval",
            [
                "SwiftletTensor", "SwiftletFormats", "SwiftletText", "SwiftletCache", "SwiftletModels",
                "SwiftletEngine",
            ]),
        tests(
            of: "SwiftletServer",
            [
                "SwiftletEngine", "SwiftletFormats", "SwiftletText", "SwiftletTensor", "SwiftletCache",
                .product(name: "HTTPTypes", package: "swift-http-types"),
                .product(name: "Logging", package: "swift-log"),
            ],
            exclude: []),
        tests(of: "SwiftletLoad", ["SwiftletFormats", "SwiftletTensor"]),
        tests(
            of: "SwiftletHub",
            [
                "SwiftletFormats", "SwiftletTensor",
                .product(name: "Crypto", package: "swift-crypto"),
                .product(name: "NIOCore", package: "swift-nio"),
                .product(name: "NIOHTTP1", package: "swift-nio"),
                .product(name: "NIOPosix", package: "swift-nio"),
            ]),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "swiftlet", "SwiftletServer", "SwiftletEval", "SwiftletEngine", "SwiftletFormats",
                "SwiftletCache",
                "SwiftletTensor",
                "SwiftletTestSupport",
                .product(name: "ArgumentParser", package: "swift-argument-parser"),
            ],
            exclude: ["Goldens"], swiftSettings: swiftSettings),
        .testTarget(
            name: "ConformanceTests",
            dependencies: [
                "swiftlet-conformance", "SwiftletCache", "SwiftletFormats", "SwiftletTensor",
                "SwiftletTestSupport",
            ],
            exclude: ["Fixtures"], swiftSettings: swiftSettings),
    ],
    swiftLanguageModes: [.v6],
    cLanguageStandard: .c11
)
