"""The campaigns of tests/faults/run, in the order in which they run."""

from campaigns import (corruption, disk, gpu, kill, limits, memcheck, numbers, sharing, signals, soak,
                       trust)

ALL = {"kill": kill, "signals": signals, "disk": disk, "sharing": sharing, "numbers": numbers,
       "corruption": corruption, "limits": limits, "trust": trust, "memcheck": memcheck, "gpu": gpu,
       "soak": soak}
