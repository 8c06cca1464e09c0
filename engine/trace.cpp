#include "engine/trace.h"

namespace earshot {

const char* to_string(TracePhase phase) {
  switch (phase) {
    case TracePhase::kForward:
      return "forward";
    case TracePhase::kBackward:
      return "backward";
    case TracePhase::kUpdate:
      return "update";
  }
  return "";
}

}  // namespace earshot
