"""Times: of a step, of a call, of many fits."""
