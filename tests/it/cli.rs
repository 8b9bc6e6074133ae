//! The command line, as a shell sees it: one snapshot holds exit code, stdout and stderr.
