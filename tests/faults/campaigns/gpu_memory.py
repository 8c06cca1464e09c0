"""Run as a program: takes all memory of the first GPU but so many MB, says "taken", holds it until
its input ends. Exit status 1: there is no GPU."""

import ctypes
import sys

STEP = 16 << 20  # bytes; memory in pieces fills what one large block would leave


def main(leave):
    cuda = ctypes.CDLL("libcuda.so.1")
    context, free, total = ctypes.c_void_p(), ctypes.c_size_t(), ctypes.c_size_t()
    if cuda.cuInit(0) or cuda.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0):
        return 1
    cuda.cuCtxSetCurrent(context)
    while True:
        if cuda.cuMemGetInfo_v2(ctypes.byref(free), ctypes.byref(total)):
            return 1
        if free.value < leave + STEP:
            break
        block = ctypes.c_uint64()
        if cuda.cuMemAlloc_v2(ctypes.byref(block), ctypes.c_size_t(STEP)):
            break
    print("taken", flush=True)
    sys.stdin.read()
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) << 20))
