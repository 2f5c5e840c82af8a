#include "client/command_line.h"

int main(int argc, char** argv) { return almagest::client::RunCommandLine(argc, argv); }
