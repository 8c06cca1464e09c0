#include "kernels/log_mel_bodies.h"

namespace earshot {

const LogMelKernels& log_mel_avx2() { return kLogMelKernels<Avx2>; }

}  // namespace earshot
