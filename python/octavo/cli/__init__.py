"""The command line: `octavo calibrate | quantize | run | eval | bench | inspect | info | demo`.

One file per command, named after it. `app` is the entry point, `root` assembles the commands and
turns errors into one line; `data`, `preprocess`, `files` and `output` are what commands share.
"""
