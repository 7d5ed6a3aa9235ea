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
        .package(url: "https://github.com/apple/swift-argument-parser", from: "1.5.0")
    ],
    targets: [
        .target(name: "CSwiftletKernels"),
        .target(name: "CSwiftletTales", exclude: ["README.md", "tales.gguf"]),
        module("SwiftletTensor", ["CSwiftletKernels"]),
        module("SwiftletFormats", ["SwiftletTensor"]),
        module("SwiftletText", ["SwiftletFormats"]),
        module("SwiftletTemplate", ["SwiftletFormats", "SwiftletTensor"]),
        module("SwiftletCache", ["SwiftletTensor", "CSwiftletKernels"]),
        module("SwiftletModels", ["SwiftletTensor", "SwiftletFormats", "SwiftletCache"]),
        module(
            "SwiftletEngine",
            [
                "SwiftletTensor", "SwiftletFormats", "SwiftletText", "SwiftletTemplate", "SwiftletCache",
                "SwiftletModels", "CSwiftletTales",
            ]),
        module(
            "SwiftletEval",
            [
                "SwiftletTensor", "SwiftletFormats", "SwiftletText", "SwiftletCache", "SwiftletModels",
                "SwiftletEngine",
            ]),
        .executableTarget(
            name: "swiftlet",
            dependencies: [
                "SwiftletEval", "SwiftletEngine", "SwiftletText", "SwiftletTemplate", "SwiftletFormats",
                "SwiftletModels", "SwiftletCache",
                "SwiftletTensor", .product(name: "ArgumentParser", package: "swift-argument-parser"),
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
        tests(of: "SwiftletCache", ["SwiftletTensor"]),
        tests(
            of: "SwiftletModels", ["SwiftletTensor", "SwiftletFormats", "SwiftletCache"],
            exclude: ["Fixtures"]),
        tests(
            of: "SwiftletEngine",
            ["SwiftletTensor", "SwiftletFormats", "SwiftletText", "SwiftletTemplate", "SwiftletModels"]),
        tests(
            of: "SwiftletEval",
            [
                "SwiftletTensor", "SwiftletFormats", "SwiftletText", "SwiftletCache", "SwiftletModels",
                "SwiftletEngine",
            ]),
        .testTarget(
            name: "CommandTests",
            dependencies: [
                "swiftlet", "SwiftletEval", "SwiftletEngine", "SwiftletFormats", "SwiftletCache",
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
