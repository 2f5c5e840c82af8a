// The command line of `almagest`: subcommands and options, and which function runs.
#pragma once

namespace almagest::client {

// Parses and runs; returns the exit code (commands.h). Prints errors as one line on standard error.
int RunCommandLine(int argc, char** argv);

}  // namespace almagest::client
