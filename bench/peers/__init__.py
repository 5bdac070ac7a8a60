"""octavo beside other int8 libraries, on the same numbers: `python -m bench.peers --help`.

Every peer gets the same bytes, shapes and quantization parameters. Its result is compared with the
exact one before anything is timed; then all peers run in turns in one pinned process, together with
the limit of the machine, so that clock and neighbours meet all of them alike.

    problems   what is computed: data, exact result, MACs and bytes
    shapes     the lists of problems: GEMM, ResNet-50's and MobileNetV2's layers, elementwise
    peer_*     one file per library: a problem becomes a Runner
    suites     check, then time in turns        network, memory   the same for whole networks
    machine    pinning, CPU, versions           peak              the machine's limits, measured
    worker     one suite in a process of its own
    report, plots   results as Markdown and charts
"""
