import ArgumentParser
import Foundation
import SwiftletTensor

/// The command: runs oracle files and answers with an exit status.
@main
struct Conformance: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swiftlet-conformance",
        abstract: "Run the cases of oracle files through the cache methods of Swiftlet.",
        discussion: """
            Each case names a method and a kind of computation, its inputs and what must come out. Every \
            difference is printed with both values. Exit status: 0 all cases passed; 1 some failed; 64 wrong \
            arguments; 65 a file is not an oracle; 66 a file cannot be read.
            """)

    @Argument(help: ArgumentHelp("Oracle files.", valueName: "file.json"))
    var files: [String]

    func run() throws {
        var total = OracleReport()
        var status: Int32 = 0
        for path in files {
            do {
                let report = OracleRunner.run(try OracleFile(path: path))
                report.failures.forEach { print("\(path): \($0)") }
                total.add(report)
            } catch {
                let line = "swiftlet-conformance: error: \(error.message)\n"
                FileHandle.standardError.write(Data(line.utf8))
                if status == 0 { status = error.exitStatus }
            }
        }
        print(total.summary)
        if status == 0, total.failedCount > 0 { status = 1 }
        if status != 0 { throw ExitCode(status) }
    }
}
