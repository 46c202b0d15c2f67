"""What every part stands on: checked arguments, files, workers, Ctrl-C, the build."""
