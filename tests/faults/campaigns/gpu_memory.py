"""Run as a program: says "ready"; for each line of input takes all memory of the first GPU but so
many MB, says "taken"; holds it until its input ends. Exit status 1: there is no GPU."""

import ctypes
import sys

STEP = 8 << 20  # bytes; less is not worth a call


def main():
    cuda = ctypes.CDLL("libcuda.so.1")
    context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    if cuda.cuInit(0) or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0):
        return 1
    cuda.cuCtxSetCurrent(context)
    print("ready", flush=True)
    for line in sys.stdin:
        while True:
            if cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)):
                return 1
            # Half of what is left at a time: a few calls, however large the GPU is.
            size = (free.value - (int(line) << 20)) // 2
            block = ctypes.c_uint64()
            if size < STEP or cuda.cuMemAlloc_v2(ctypes.byref(block), ctypes.c_size_t(size)):
                break
        print("taken", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
